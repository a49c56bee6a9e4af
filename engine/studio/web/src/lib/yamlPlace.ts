/** Where in a recipe the cursor stands, also while the YAML is not whole: the keys around it, told by how lines are set in. */

import type { Path } from "./schema";

export interface Place {
  /** The mapping or list in which something is typed. */
  path: Path;
  /** The key whose value is typed; none where a key is. */
  key: string | undefined;
  /** What is typed already, and where on the line that begins. */
  typed: string;
  from: number;
}

interface Token {
  column: number;
  /** None for the dash of an item. */
  key: string | undefined;
}

const KEY = /^("(?:[^"\\]|\\.)*"|'[^']*'|[^\s#[\]{},:"'][^#[\]{},:]*?)\s*:(?=\s|$)/;

/** The dashes and the key with which a line begins. */
function tokens(line: string): { found: Token[]; rest: number } {
  const found: Token[] = [];
  let at = line.length - line.trimStart().length;
  while (line[at] === "-" && (line[at + 1] === " " || at + 1 === line.length)) {
    found.push({ column: at, key: undefined });
    at += 1;
    while (line[at] === " ") at += 1;
  }
  const key = KEY.exec(line.slice(at));
  if (key) {
    found.push({ column: at, key: unquoted(key[1] ?? "") });
    at += key[0].length;
  }
  return { found, rest: at };
}

function unquoted(key: string): string {
  return /^["']/.test(key) ? key.slice(1, -1) : key;
}

function said(line: string): boolean {
  const text = line.trim();
  return text !== "" && !text.startsWith("#");
}

/** The keys around a column of a line, from the lines above it. */
function around(lines: string[], number: number, column: number, own: Token[]): Path {
  const path: Path = [];
  let below = column;
  let item = false;
  const take = (token: Token, counted: () => number) => {
    if (token.key === undefined ? token.column >= below : token.column >= below + (item ? 1 : 0)) return;
    path.unshift(token.key === undefined ? counted() : token.key);
    below = token.column;
    item = token.key === undefined;
  };
  for (const token of [...own].reverse()) take(token, () => before(lines, number, token.column));
  for (let at = number - 1; at >= 0 && (below > 0 || item); at -= 1) {
    const line = lines[at] ?? "";
    if (!said(line)) continue;
    for (const token of tokens(line).found.reverse()) take(token, () => before(lines, at, token.column));
  }
  return path;
}

/** How many items of the same list stand above an item. */
function before(lines: string[], number: number, column: number): number {
  let count = 0;
  for (let at = number - 1; at >= 0; at -= 1) {
    const line = lines[at] ?? "";
    if (!said(line)) continue;
    const first = line.length - line.trimStart().length;
    if (first < column || (first === column && line[first] !== "-")) break;
    if (first === column) count += 1;
  }
  return count;
}

interface Bracket {
  isList: boolean;
  /** The key behind which it opens. */
  opens: Path;
  key: string | undefined;
  items: number;
  from: number;
}

/** The brackets that are open at the end of a text, each with what is typed in it. */
function brackets(text: string): Bracket[] {
  const open: Bracket[] = [];
  let word = 0;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? "";
    const top = open.at(-1);
    if (char === '"' || char === "'") {
      const end = text.indexOf(char, at + 1);
      at = end < 0 ? text.length : end;
    } else if (char === "#" && /\s/.test(text[at - 1] ?? " ")) {
      const end = text.indexOf("\n", at);
      at = end < 0 ? text.length : end;
    } else if (char === "{" || char === "[") {
      const opens: Path = !top ? [] : top.isList ? [top.items] : [top.key ?? ""];
      open.push({ isList: char === "[", opens, key: undefined, items: 0, from: at + 1 });
      word = at + 1;
    } else if (char === "}" || char === "]") open.pop();
    else if (char === "," && top) {
      top.items += 1;
      top.key = undefined;
      top.from = word = at + 1;
    } else if (char === ":" && top && !top.isList && top.key === undefined && /\s|$/.test(text[at + 1] ?? "")) {
      top.key = unquoted(text.slice(word, at).trim());
      top.from = at + 1;
    }
  }
  return open;
}

const FLOW = /[[{]/;

/** Where a place stands; `column` counts from 0. */
export function placeAt(lines: string[], number: number, column: number): Place {
  for (let first = number; first >= 0 && first > number - 60; first -= 1) {
    const line = lines[first] ?? "";
    const { found, rest } = tokens(line);
    if (!FLOW.test(line.slice(rest)) && first === number && found.length) break;
    if (!found.length && first !== 0 && !/^[{[]/.test(line)) continue;
    const text = [...lines.slice(first, number), (lines[number] ?? "").slice(0, column)].join("\n").slice(rest);
    const open = /^\s*[[{]/.test(text) ? brackets(text) : [];
    const top = open.at(-1);
    if (!top) break;
    const key = found.at(-1)?.key;
    const base = around(lines, first, found.at(-1)?.column ?? 0, key === undefined ? found : found.slice(0, -1));
    const typed = text.slice(top.from);
    const from = column - typed.trimStart().length;
    const path = [...base, ...(key === undefined ? [] : [key]), ...open.flatMap((one) => one.opens)];
    return { path: top.isList ? [...path, top.items] : path, key: top.isList ? "" : top.key, typed: typed.trimStart(), from };
  }
  const line = lines[number] ?? "";
  const { found, rest } = tokens(line);
  const key = found.at(-1);
  if (key?.key !== undefined && column >= rest) {
    const typed = line.slice(rest, column);
    return { path: around(lines, number, key.column, found.slice(0, -1)), key: key.key, typed: typed.trimStart(), from: column - typed.trimStart().length };
  }
  const dashes = found.filter((one) => one.key === undefined);
  const last = dashes.at(-1);
  let start = last ? last.column + 1 : 0;
  while (line[start] === " " && start < column) start += 1;
  const path = around(lines, number, last ? last.column + 1 : start, dashes);
  return { path, key: undefined, typed: line.slice(start, column), from: start };
}
