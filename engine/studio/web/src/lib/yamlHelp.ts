/** What the editor says of keys: completion and documentation, from the recipe's schema. */

import type { Completion, CompletionContext, CompletionResult } from "@codemirror/autocomplete";
import type { EditorState } from "@codemirror/state";
import type { Tooltip } from "@codemirror/view";
import { dotted, inline, isMapping, type Path, type Schema, type Shapes, valueAt } from "./schema";
import { placeAt } from "./yamlPlace";

function linesOf(state: EditorState): string[] {
  return state.doc.toString().split("\n");
}

export function complete(context: CompletionContext, shapes: Shapes, data: unknown): CompletionResult | null {
  const line = context.state.doc.lineAt(context.pos);
  const place = placeAt(linesOf(context.state), line.number - 1, context.pos - line.from);
  if (!context.explicit && place.typed === "" && place.key === undefined) return null;
  if (place.typed.includes("#")) return null;
  const from = line.from + place.from;
  const whole = place.key === undefined || place.key === "" ? place.path : [...place.path, place.key];
  const schema = shapes.at(whole, data);
  if (!schema) return null;
  const options = place.key === undefined ? [...keys(shapes, schema, valueAt(data, whole)), ...values(shapes, schema)] : values(shapes, schema);
  return options.length ? { from, options, validFor: /^[\w+-]*$/ } : null;
}

function keys(shapes: Shapes, schema: Schema, value: unknown): Completion[] {
  const chosen = shapes.chosen(schema, value);
  const choice = shapes.choice(schema);
  const known: Record<string, Schema> = { ...(choice && !isMapping(value) ? { [choice.key]: choice.named[0]?.[1].properties?.[choice.key] ?? {} } : {}), ...(chosen?.properties ?? {}) };
  const required = new Set(chosen?.required ?? []);
  const set = isMapping(value) ? value : {};
  return Object.entries(known).map(([name, part], index) => ({
    label: name,
    type: "property",
    apply: `${name}: `,
    detail: required.has(name) ? "needed" : part.default !== undefined && typeof part.default !== "object" ? `default ${inline(part.default)}` : "",
    info: part.description ?? "",
    boost: (name in set ? -40 : required.has(name) ? 40 : 0) - index / 10,
  }));
}

function values(shapes: Shapes, schema: Schema): Completion[] {
  const choice = shapes.choice(schema);
  const named = (choice?.named ?? []).map(([name, one]): Completion => ({ label: `${choice?.key}: ${name}`, type: "enum", info: one.properties?.[choice?.key ?? ""]?.description ?? one.description ?? "", boost: -10 }));
  const plain = shapes.options(schema).flatMap((one): Completion[] => {
    if (one.const !== undefined) return [{ label: String(one.const), type: "enum", info: one.description ?? "" }];
    if (one.enum) return one.enum.map((value, at) => ({ label: String(value), type: "enum", info: one.enumDescriptions?.[at] ?? "" }));
    if (one.type === "boolean") return ["true", "false"].map((label) => ({ label, type: "keyword" }));
    return [];
  });
  // Names by which mappings are told apart stand as values of that key.
  return [...plain, ...named];
}

/** The values of a key that tells mappings apart are those of all of them. */
export function nameValues(shapes: Shapes, above: Schema, key: string): Completion[] {
  const choice = shapes.choice(above);
  if (choice?.key !== key) return [];
  return choice.named.map(([name, one]) => ({ label: name, type: "enum", info: one.properties?.[key]?.description ?? one.description ?? "" }));
}

export function completeAll(context: CompletionContext, shapes: Shapes, data: unknown): CompletionResult | null {
  const line = context.state.doc.lineAt(context.pos);
  const place = placeAt(linesOf(context.state), line.number - 1, context.pos - line.from);
  if (place.key) {
    const above = shapes.at(place.path, data);
    const options = above ? nameValues(shapes, above, place.key) : [];
    if (options.length) return { from: line.from + place.from, options, validFor: /^[\w-]*$/ };
  }
  return complete(context, shapes, data);
}

/** What the key at a place means. */
export function explain(state: EditorState, pos: number, shapes: Shapes, data: unknown): Tooltip | null {
  const line = state.doc.lineAt(pos);
  const found = /[\w+-]+(?=\s*:(\s|$))/g;
  for (const match of line.text.matchAll(found)) {
    const start = line.from + match.index;
    const end = start + match[0].length;
    if (pos < start || pos > end) continue;
    const place = placeAt(linesOf(state), line.number - 1, match.index);
    const path = [...place.path, match[0]];
    const schema = shapes.at(path, data);
    if (!schema?.description && !schema?.title) return null;
    return { pos: start, end, above: true, create: () => ({ dom: card(path, schema, shapes) }) };
  }
  return null;
}

function card(path: Path, schema: Schema, shapes: Shapes): HTMLElement {
  const dom = document.createElement("div");
  dom.className = "cm-doc";
  const say = (text: string, name = "p", kind = "") => {
    const one = document.createElement(name);
    one.textContent = text;
    one.className = kind;
    dom.append(one);
  };
  say(schema.title ?? dotted(path), "strong");
  say(dotted(path.filter((part) => typeof part === "string")), "p", "soft");
  if (schema.description) say(schema.description);
  const type = shapes.type(schema);
  if (type) say(`What may stand here: ${type}`, "p", "soft");
  if (schema.default !== undefined && schema.default !== null) say(`Default: ${inline(schema.default) || "nothing"}`, "p", "soft");
  if (schema.examples?.length) say(`Example: ${inline(schema.examples[0])}`, "p", "soft");
  return dom;
}
