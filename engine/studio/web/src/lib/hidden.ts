/** Characters that cannot be seen, or that set words in another order: kept where something is edited, and marked. */

/** As the server has them (`plain_text.py`). */
export const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff]/gu;

export function code(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** The codes of those in a text, each once. */
export function hiddenIn(text: string): string[] {
  return [...new Set(text.match(HIDDEN) ?? [])].map(code);
}

/** A text to look at, with their codes in their places. */
export function marked(text: string): string {
  return text.replace(HIDDEN, (character) => `[${code(character)}]`);
}
