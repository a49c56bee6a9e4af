/** The text of one recipe while it is edited: what it says, what is wrong with it, and how it is changed and saved. */

import type { EditorState } from "@codemirror/state";
import type { EditorView } from "@codemirror/view";
import { get, post, Refused } from "./api";
import type { Change, Checked, Edit, Looked, Made, Opened, Profile, Saved, Shown } from "./author";
import { type Path, type Schema, Shapes } from "./schema";

const WAIT = 250;
/** Milliseconds without a key before the server is asked. */
const AGAIN = 3;

let schema: Promise<Schema> | undefined;

function known(): Promise<Schema> {
  schema ??= get<Schema>("recipes/schema").catch((error: unknown) => {
    schema = undefined;
    throw error;
  });
  return schema;
}

export class RecipeText {
  text = $state.raw("");
  saved = $state.raw("");
  locked = $state("");
  isPackaged = $state(false);
  /** What the text says; none while it is no YAML. */
  data = $state.raw<Record<string, unknown> | undefined>(undefined);
  /** What holds where it says nothing. */
  under = $state.raw<Record<string, unknown>>({});
  problems = $state.raw<Shown[]>([]);
  /** The text that was looked at last. */
  looked = $state.raw<string | undefined>(undefined);
  /** Whether the problems are of a check with the rows, too. */
  whole = $state(false);
  /** What the rows are like that the check read. */
  profile = $state.raw<Profile | undefined>(undefined);
  /** Columns of the training rows, as far as they are found fast. */
  columns = $state.raw<string[]>([]);
  busy = $state<"" | "saving" | "checking">("");
  error = $state.raw<Refused | undefined>(undefined);
  said = $state("");
  /** What stands in the file now, where somebody else wrote into it. */
  conflict = $state.raw<Opened | undefined>(undefined);
  unsaved = $derived(this.text !== this.saved);
  is_crlf = $state(false);
  has_mark = $state(false);
  view = $state.raw<EditorView | undefined>(undefined);
  /** What the editor does, once it is there: the form and the text have one history. */
  undo: () => void = () => undefined;
  redo: () => void = () => undefined;
  /** The editor's state while its page is not open. */
  kept: EditorState | undefined;
  #digest = "";
  /** What was said of the data when columns were asked for last. */
  #data = "";
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking: AbortController | undefined;
  #queue: Promise<void> = Promise.resolve();

  constructor(
    readonly recipe: string,
    readonly shapes: Shapes,
    opened: Opened,
  ) {
    this.text = opened.text;
    this.#take(opened);
    void this.#look();
  }

  #take(opened: Opened): void {
    this.saved = opened.text;
    this.locked = opened.locked;
    this.isPackaged = opened.is_packaged;
    this.is_crlf = opened.is_crlf;
    this.has_mark = opened.has_mark;
    this.#digest = opened.digest;
  }

  /** Told by the editor. */
  changed(text: string): void {
    this.text = text;
    this.said = "";
    clearTimeout(this.#timer);
    this.#asking?.abort();
    this.#timer = setTimeout(() => void this.#look(), WAIT);
  }

  async #look(): Promise<void> {
    clearTimeout(this.#timer);
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    const text = this.text;
    try {
      const found = await post<Looked>("recipes/look", { recipe: this.recipe, text }, asking.signal);
      if (text !== this.text) return;
      if (found.data) {
        this.data = found.data;
        this.under = found.under ?? {};
      }
      this.looked = text;
      this.problems = found.problems;
      this.whole = false;
      this.profile = undefined;
      void this.#lookForColumns(text);
      this.error = undefined;
    } catch (reason) {
      if (!asking.signal.aborted) this.#fail(reason);
    }
  }

  async #lookForColumns(text: string): Promise<void> {
    const data = JSON.stringify([this.data?.data, this.under.data, this.data?.vars]);
    if (data === this.#data) return;
    this.#data = data;
    try {
      const found = await post<{ columns: string[] }>("recipes/columns", { recipe: this.recipe, text });
      // A text that is wrong elsewhere has none: those that were known are proposed still.
      if (data === this.#data && found.columns.length) this.columns = found.columns;
      if (!found.columns.length) this.#data = "";
    } catch {
      this.#data = "";
    }
  }

  /** Whether the form may change anything: the text is YAML, and what the form shows is of it. */
  get broken(): boolean {
    return this.looked === this.text && this.problems.some((one) => one.is_unreadable);
  }

  /** Change the text at one place, as the form does; one after another. */
  edit(edits: Edit[]): Promise<void> {
    this.#queue = this.#queue.then(() => this.#edit(edits));
    return this.#queue;
  }

  async #edit(edits: Edit[]): Promise<void> {
    try {
      for (let time = 0; time < AGAIN; time += 1) {
        const text = this.text;
        const change = await post<Made>("recipes/change", { recipe: this.recipe, text, edits });
        // What was typed meanwhile counts: the change is made once more, of that text.
        if (text !== this.text) continue;
        this.error = undefined;
        this.apply(change);
        const lost = change.comments_lost;
        if (lost) this.said = `Taken out with ${lost === 1 ? "the comment" : `the ${lost} comments`} in it; Undo brings it back. Not saved.`;
        await this.#look();
        return;
      }
    } catch (reason) {
      this.#fail(reason);
    }
  }

  /** Put a change into the text, and show where; the page itself stays where it is. */
  apply(change: Change): void {
    const view = this.view;
    if (!view) {
      // The editor is still being read: it begins with this.
      this.changed(this.text.slice(0, change.from) + change.insert + this.text.slice(change.to));
      return;
    }
    const at = change.from + change.insert.length;
    view.dispatch({ changes: { from: change.from, to: change.to, insert: view.state.toText(change.insert) }, selection: { anchor: at } });
    view.requestMeasure({
      read: () => view.lineBlockAt(at),
      write: (line) => {
        const box = view.scrollDOM;
        if (line.top < box.scrollTop || line.bottom > box.scrollTop + box.clientHeight) box.scrollTop = line.top - box.clientHeight / 2;
      },
    });
  }

  /** Put the cursor to a place, and show it. */
  show(start: number, end = start): void {
    const view = this.view;
    if (!view) return;
    const last = view.state.doc.length;
    view.dispatch({ selection: { anchor: Math.min(start, last), head: Math.min(end, last) }, scrollIntoView: true });
    view.focus();
  }

  async save(over?: string): Promise<void> {
    if (this.locked || this.busy) return;
    await this.#queue;
    this.busy = "saving";
    const text = this.text;
    const { recipe, is_crlf, has_mark } = this;
    try {
      const done = await post<Saved>("recipes/save", { recipe, text, is_crlf, has_mark, digest: over ?? this.#digest });
      if (done.saved) {
        this.saved = text;
        this.#digest = done.digest;
        this.conflict = undefined;
        this.said = done.is_recipe ? "Saved." : "Saved; without the line `recipe: 1` the list of recipes does not have it any more.";
        this.error = undefined;
      } else this.conflict = { ...done.now, recipe, locked: "", is_packaged: false };
    } catch (reason) {
      this.#fail(reason);
    }
    this.busy = "";
  }

  /** Take what stands in the file; what was here can be had back by undoing. */
  reload(): void {
    const now = this.conflict;
    if (!now || !this.view) return;
    this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: this.view.state.toText(now.text) } });
    this.#take(now);
    this.conflict = undefined;
  }

  overwrite(): Promise<void> {
    return this.save(this.conflict?.digest);
  }

  async check(signal: AbortSignal): Promise<void> {
    await this.#queue;
    this.busy = "checking";
    const text = this.text;
    try {
      const found = await post<Checked>("recipes/check", { recipe: this.recipe, text }, signal);
      if (text === this.text) {
        this.#asking?.abort();
        clearTimeout(this.#timer);
        this.problems = found.problems;
        this.looked = text;
        this.whole = found.rows_read;
        this.profile = found.profile ?? undefined;
      }
    } catch (reason) {
      if (!signal.aborted) this.#fail(reason);
    }
    this.busy = "";
  }

  #fail(reason: unknown): void {
    this.error = reason instanceof Refused ? reason : new Refused(String(reason), "", 0);
  }

  at(path: Path): Shown[] {
    const name = JSON.stringify(path);
    return this.problems.filter((one) => one.is_here && one.path !== null && JSON.stringify(one.path) === name);
  }
}

/** Recipes that were left with what is not saved: they are found again as they were. */
const open = new Map<string, RecipeText>();

export async function opened(recipe: string, signal: AbortSignal): Promise<RecipeText> {
  const left = open.get(recipe);
  if (left?.unsaved) return left;
  const [found, about] = await Promise.all([get<Opened>("recipes/text", { recipe }, signal), known()]);
  const made = new RecipeText(recipe, new Shapes(about), found);
  open.set(recipe, made);
  return made;
}

export function unsavedOnes(): string[] {
  return [...open.values()].filter((one) => one.unsaved).map((one) => one.recipe);
}

window.addEventListener("beforeunload", (event) => {
  if (unsavedOnes().length) event.preventDefault();
});
