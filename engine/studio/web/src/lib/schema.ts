/** The recipe's JSON Schema as the form and the editor read it: what may stand at a path, and what is said of it. */

export type Path = (string | number)[];
// What a schema holds is the engine's, and not looked at any further than is read here.
export type Schema = {
  title?: string;
  description?: string;
  default?: unknown;
  examples?: unknown[];
  const?: unknown;
  enum?: unknown[];
  enumDescriptions?: string[];
  type?: string;
  anyOf?: Schema[];
  $ref?: string;
  $defs?: Record<string, Schema>;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  patternProperties?: Record<string, Schema>;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
};

/** What no column of the store takes: as a bound it says nothing of what is meant. */
const LARGEST = 2147483647;

export class Shapes {
  constructor(readonly root: Schema) {}

  /** The alternatives that may stand in a place, references followed, without null. */
  options(schema: Schema): Schema[] {
    if (schema.$ref) {
      const named = this.root.$defs?.[schema.$ref.split("/").pop() ?? ""];
      return named ? this.options(named) : [];
    }
    if (schema.anyOf && !schema.properties) return schema.anyOf.flatMap((one) => this.options(one));
    if (schema.type === "null") return [];
    return [schema];
  }

  /** The alternative that a value is, or the first where there is none yet. */
  chosen(schema: Schema, value: unknown): Schema | undefined {
    const all = this.options(schema);
    const fitting = all.filter((one) => fits(one, value));
    if (isMapping(value)) {
      const named = fitting.filter((one) => consts(one).every(([key, name]) => value[key] === name));
      // One with a name of its own before one that takes any.
      return named.sort((a, b) => consts(b).length - consts(a).length)[0] ?? fitting[0] ?? all[0];
    }
    return fitting[0] ?? all[0];
  }

  /** The key, among those of several mappings in one place, by which they are told apart; with their names. */
  choice(schema: Schema): { key: string; named: [string, Schema][]; free: boolean } | undefined {
    const mappings = this.options(schema).filter((one) => one.properties);
    const key = mappings.flatMap(consts)[0]?.[0];
    if (mappings.length < 2 || key === undefined) return undefined;
    const named = mappings.flatMap((one): [string, Schema][] => {
      const name = one.properties?.[key]?.const;
      return typeof name === "string" ? [[name, one]] : [];
    });
    return { key, named, free: named.length < mappings.length };
  }

  /** What may stand below a place, at a key or in a list. */
  below(schema: Schema, value: unknown, part: string | number): Schema | undefined {
    const chosen = this.chosen(schema, value);
    if (typeof part === "number") return (chosen?.items ?? this.options(schema).find((one) => one.items)?.items) as Schema | undefined;
    const name = part.replace(/^\+/, "");
    const own = chosen?.properties?.[name] ?? this.options(schema).find((one) => one.properties?.[name])?.properties?.[name];
    return own ?? (chosen ? valuesOf(chosen) : undefined) ?? this.options(schema).map(valuesOf).find(Boolean);
  }

  at(path: Path, data: unknown): Schema | undefined {
    let schema: Schema | undefined = this.root;
    let value = data;
    for (const part of path) {
      if (!schema) return undefined;
      schema = this.below(schema, value, part);
      value = valueAt(value, [part]);
    }
    return schema;
  }

  /** In words, what may stand there. */
  type(schema: Schema): string {
    const words = this.options(schema).map((one) => {
      if (one.const !== undefined) return String(one.const);
      if (one.enum) return one.enum.length > 8 ? "one of a list" : one.enum.map(String).join(", ");
      if (one.type === "array") return `list of ${one.items ? this.type(one.items) : "anything"}`;
      if (one.properties || one.type === "object") return valuesOf(one) ? "names with a value each" : "several keys";
      const name = { string: "text", integer: "whole number", number: "number", boolean: "true or false" }[one.type ?? ""] ?? "anything";
      return name + bounds(one);
    });
    return [...new Set(words)].join(" or ");
  }
}

function bounds(one: Schema): string {
  const low = one.minimum ?? one.exclusiveMinimum;
  const high = one.maximum ?? one.exclusiveMaximum;
  const said = [
    ...(low !== undefined && Math.abs(low) < LARGEST ? [one.minimum !== undefined ? `from ${low}` : `above ${low}`] : []),
    ...(high !== undefined && high < LARGEST ? [one.maximum !== undefined ? `to ${high}` : `below ${high}`] : []),
  ];
  return said.length ? ` (${said.join(" ")})` : "";
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function valuesOf(schema: Schema): Schema | undefined {
  return typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
}

function consts(schema: Schema): [string, unknown][] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, part]): [string, unknown][] => (typeof part.const === "string" ? [[key, part.const]] : []));
}

function fits(schema: Schema, value: unknown): boolean {
  if (value === undefined || value === null) return true;
  if (schema.const !== undefined) return schema.const === value;
  if (schema.enum) return schema.enum.includes(value);
  if (Array.isArray(value)) return schema.type === "array";
  if (isMapping(value)) return schema.properties !== undefined || schema.type === "object";
  if (typeof value === "number") return schema.type === "number" || (schema.type === "integer" && Number.isInteger(value));
  return schema.type === { string: "string", boolean: "boolean" }[typeof value as "string" | "boolean"];
}

export function valueAt(data: unknown, path: Path): unknown {
  let here = data;
  for (const part of path) {
    if (Array.isArray(here) && typeof part === "number") here = here[part];
    else if (isMapping(here) && typeof part === "string") here = Object.hasOwn(here, part) ? here[part] : undefined;
    else return undefined;
  }
  return here;
}

export function dotted(path: Path): string {
  return path.map((part) => (typeof part === "number" ? `[${part}]` : `.${part}`)).join("").replace(/^\./, "");
}

/** A value as it would be written on one line. */
export function inline(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  if (Array.isArray(value)) return `[${value.map(inline).join(", ")}]`;
  if (isMapping(value)) return `{${Object.entries(value).map(([key, one]) => `${key}: ${inline(one)}`).join(", ")}}`;
  return String(value);
}
