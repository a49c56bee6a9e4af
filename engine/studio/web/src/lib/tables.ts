/** Tables of millions of rows: a page at a time, and words looked for by degrees. */

import { get, type Words } from "./api";
import type { Listed } from "./types";

/** Where looking for words has come to. */
export interface Looking {
  found: number;
  looked: number;
  among: number;
}

/** A page of a table. The server answers what it found in time; it is asked on until the page is full or all was looked at. */
export async function listed<Row>(path: string, words: Words, signal: AbortSignal, told: (looking: Looking | undefined) => void): Promise<Listed<Row>> {
  told(undefined);
  let page = await get<Listed<Row>>(path, words, signal);
  const rows = page.rows;
  while (page.further) {
    told({ found: page.total, looked: page.looked, among: page.among });
    page = await get<Listed<Row>>(path, { ...words, since: page.further, found: page.total, best: page.best.join(",") }, signal);
    rows.push(...page.rows);
  }
  told(undefined);
  return { ...page, rows };
}

/** How many rows fit, in words: of a search that ended with a full page nobody knows it. */
export function howMany(page: { total: number; exact: boolean }, one: string, many = `${one}s`): string {
  const n = page.exact ? page.total : page.total - 1;
  return `${page.exact ? "" : "More than "}${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}
