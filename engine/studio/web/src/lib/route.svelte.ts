/** Where one is: the words behind `#/`, and what is chosen there behind `?`. All of it is in the address, to be kept. */

import type { Words } from "./api";

export interface Place {
  words: string[];
  chosen: Record<string, string>;
}

function read(): Place {
  const [path = "", query = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return {
    words: path.split("/").filter(Boolean).map(decodeURIComponent),
    chosen: Object.fromEntries(new URLSearchParams(query)),
  };
}

export const place = $state<Place>(read());

window.addEventListener("hashchange", () => {
  const now = read();
  place.words = now.words;
  place.chosen = now.chosen;
});

export function link(words: string[], chosen: Words = {}): string {
  const said = Object.entries(chosen).filter(([, v]) => v !== "" && v !== null && v !== undefined);
  const query = new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
  return `#/${words.map(encodeURIComponent).join("/")}${query ? `?${query}` : ""}`;
}

export function go(words: string[], chosen: Words = {}): void {
  location.hash = link(words, chosen);
}

/** Change what is chosen on this page, and nothing else. */
export function choose(changes: Words): void {
  const chosen = link(place.words, { ...place.chosen, ...changes });
  history.replaceState(null, "", chosen);
  const now = read();
  place.chosen = now.chosen;
}

/** The token has let this browser in: it is not kept in the address, nor in what the browser remembers. */
export function forgetToken(): void {
  if (location.search) history.replaceState(null, "", `/${location.hash}`);
}
