/** How editors look: the studio's own colours, by its custom properties, which reach into a shadow root. */

import { HighlightStyle } from "@codemirror/language";
import { EditorView } from "@codemirror/view";
import { tags } from "@lezer/highlight";

export const looks = EditorView.theme({
  "&": { color: "var(--ink)", fontSize: "14px" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55", overflow: "auto" },
  ".cm-content": { caretColor: "var(--ink)", padding: "0.6em 0" },
  ".cm-gutters": { background: "transparent", color: "var(--soft)", border: "none" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { background: "var(--accent-wash) !important" },
  ".cm-matchingBracket": { background: "var(--accent-wash) !important", outline: "1px solid var(--line-strong)" },
  ".cm-tooltip": { background: "var(--sheet)", border: "1px solid var(--line-strong)", borderRadius: "6px", color: "var(--ink)" },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", maxHeight: "16em" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { background: "var(--accent)", color: "var(--accent-ink)" },
  ".cm-completionInfo": { maxWidth: "340px", padding: "0.4em 0.7em", fontFamily: "var(--sans)", fontSize: "13px" },
  ".cm-completionDetail": { color: "inherit", opacity: "0.75", fontStyle: "normal" },
  ".cm-activeLine": { background: "color-mix(in srgb, var(--sunk) 60%, transparent)" },
  ".cm-placeholder": { color: "var(--soft)" },
});

export const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--s1)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--s3)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--s2)" },
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.typeName, tags.standard(tags.name)], color: "var(--s4)" },
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--s1)" },
]);

/** Over the pictures that the library has as addresses of their own, which the policy of the page refuses. */
export const lintLooks = EditorView.theme({
  ".cm-lintRange": { backgroundImage: "none !important", textDecoration: "underline wavy 1.5px", textUnderlineOffset: "3px" },
  ".cm-lintRange-error": { textDecorationColor: "var(--bad)" },
  ".cm-lintRange-warning": { textDecorationColor: "var(--unclear)" },
  ".cm-lint-marker": { width: "0.9em", height: "auto", fontFamily: "var(--sans)", fontWeight: "700", lineHeight: "1.55" },
  ".cm-lint-marker-error, .cm-lint-marker-warning": { content: "normal" },
  ".cm-lint-marker-error::before": { content: '"✕"', color: "var(--bad)" },
  ".cm-lint-marker-warning::before": { content: '"!"', color: "var(--unclear)" },
  ".cm-tooltip-lint, .cm-doc": { maxWidth: "min(460px, 86vw)", fontFamily: "var(--sans)", fontSize: "13px" },
  ".cm-doc": { padding: "0.5em 0.75em" },
  ".cm-doc p": { margin: "0.25em 0", whiteSpace: "pre-wrap", overflowWrap: "anywhere" },
  ".cm-doc .soft": { color: "var(--soft)" },
  ".cm-doc code": { fontFamily: "var(--mono)" },
  ".cm-diagnostic": { padding: "0.4em 0.75em", whiteSpace: "pre-wrap", overflowWrap: "anywhere" },
  ".cm-diagnostic-error": { borderLeft: "4px solid var(--bad)" },
  ".cm-diagnostic-warning": { borderLeft: "4px solid var(--unclear)" },
  ".cm-diagnosticAction": { background: "var(--accent)", color: "var(--accent-ink)", padding: "0.15em 0.6em", borderRadius: "5px", font: "inherit", marginLeft: "0", marginTop: "0.3em", display: "block" },
  ".cm-tab": { backgroundImage: "none", textDecoration: "underline dotted var(--line-strong)" },
});
