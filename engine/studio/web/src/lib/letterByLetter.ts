/** What an editor needs so that a text comes back letter by letter, and what hides in it is seen. */

import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, highlightSpecialChars } from "@codemirror/view";
import { code, HIDDEN } from "./hidden";

function mark(point: number, description: string | null): HTMLElement {
  const character = code(String.fromCodePoint(point));
  const shown = document.createElement("span");
  shown.className = "cm-specialChar";
  shown.textContent = `[${character}]`;
  shown.title = description ?? character;
  shown.setAttribute("aria-label", `character ${character}`);
  return shown;
}

export const letterByLetter: Extension = [
  // Only this ends a line; a carriage return before it stays where it is.
  EditorState.lineSeparator.of("\n"),
  EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?/g, "\n")),
  highlightSpecialChars({ render: mark, addSpecialChars: HIDDEN }),
  EditorView.baseTheme({
    ".cm-specialChar": { color: "var(--bad)", fontFamily: "var(--mono)", fontSize: "0.8em" },
  }),
];
