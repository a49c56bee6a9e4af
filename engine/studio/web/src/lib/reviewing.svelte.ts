/** What the server answers about rows that people look at, and what it is told of them. */

import { get, post, Refused } from "./api";

/** A text as it is shown, and as it is where that is another: what is edited is the exact one. */
export interface Field {
  text: string;
  exact: string | null;
}

export interface Item {
  subject: "candidate" | "train" | "validation";
  example: string;
  /** By which the row's own page is called. */
  row: string;
  state: string;
  reason: string;
  pattern: string;
  pattern_name: string;
  inputs: (Field & { name: string })[];
  target: Field;
  about: { name: string; text: string }[];
  others: string[];
}

export interface Rows {
  run: string;
  queue: string;
  items: Item[];
  total: number;
  missing?: number;
}

export interface Overview {
  recipes: { name: string; run: string; reviewers: string[] }[];
  /** The recipe of the run that was asked about; empty where none was. */
  of_run: string;
  reviewer: string;
  reasons: Record<string, string>;
}

export interface People {
  rows: number;
  verdicts: Record<string, number>;
  conflicts: number;
  reviewers: Record<string, number>;
  agreement: string;
  wrong: { where: string; what: string }[];
}

export interface Queues {
  recipe: string;
  run: string;
  page: string;
  reviewer: string;
  is_new: boolean;
  waiting: { queue: string; rows: number }[];
  people: People;
}

export interface Ended {
  people: People;
  page: string;
  plan: { nodes: number; open: number; follow: number; named: { node: string; state: string; because: string }[]; estimate: string[]; limit: number | null; settings: string[] } | null;
  why_not: { message: string; hint: string } | null;
}

export interface Word {
  reviewer: string;
  verdict: string;
  reason: string;
  note: string;
  inputs: Record<string, string>;
  target: string | null;
  made: string;
}

export interface Entry {
  subject: string;
  example: string;
  row: string;
  state: string;
  reason: string;
  pattern: string;
  pattern_name: string;
  inputs: Record<string, string>;
  target: string;
  waits: boolean;
  said: Word[];
}

export interface Listing {
  run: string;
  rows: Entry[];
  total: number;
  all: number;
  offset: number;
  limit: number;
  patterns: { id: string; name: string; rows: number }[];
  targets: (Field & { rows: number })[];
  reviewers: string[];
}

/** Whose rows are looked at, and by whom. */
export interface Seat {
  recipe: string;
  reviewer: string;
  resolve: string;
}

export interface Undone {
  verdict: string;
  of: string;
  item: Item | null;
}

interface Answer {
  kept: boolean;
  why?: { message: string; hint: string };
  verdict?: string;
  /** What was stored, in words. */
  told?: string;
  undone?: Undone | null;
}

export const QUEUES: Record<string, [string, string]> = {
  candidates: ["Generated rows", "Rows that were generated or mined: those trained on come first."],
  suspect: ["Suspect labels", "Rows of your own data whose label the teacher or the judge takes for wrong."],
  disagreement: ["Disagreement", "Rows on which gates, blind answers and the judge say different things."],
  pool: ["Labels by a model", "Mined rows whose label a model gave."],
  conflicts: ["Reviewers differ", "Rows on which reviewers say different things."],
};

/** What is said of a queue in which nothing waits. */
export const NOTHING: Record<string, string> = {
  candidates: "No generated or mined row waits for you.",
  suspect: "No label of the data is taken for wrong that you have not looked at.",
  disagreement: "Gates, blind answers and judge agree on every row that you have not looked at.",
  pool: "No row of a pool whose label a model gave waits for you.",
  conflicts: "No row waits on which reviewers differ.",
};

/** A key for each reason of a rejection, as of `pada review`. */
export const REASON_KEYS: [string, string][] = [
  ["w", "wrong"],
  ["c", "unclear"],
  ["n", "unnatural"],
  ["t", "off_task"],
  ["d", "repeats"],
  ["o", "other"],
];

export const DONE: Record<string, string> = {
  accept: "accepted",
  reject: "rejected",
  edit: "edited",
  relabel: "relabelled",
  undo: "taken back",
};

export function exactOf(field: Field): string {
  return field.exact ?? field.text;
}

/** An id for a verdict: sent again under it, it is written once. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const overview = (run: string, signal: AbortSignal) => get<Overview>("review", { run }, signal);
export const queues = (seat: Seat, signal?: AbortSignal) => get<Queues>("review/queues", { ...seat }, signal);
export const rowsOf = (seat: Seat, queue: string, n: number, pattern: string, signal: AbortSignal) =>
  get<Rows>("review/rows", { ...seat, queue, n, pattern }, signal);
/** Rows that another page hands over, of the run that it shows. */
export const rowsBy = (seat: Seat, run: string, rows: string[], signal: AbortSignal) => post<Rows>("review/rows", { ...seat, run, rows }, signal);
export const listed = (seat: Seat, chosen: Record<string, string>, signal: AbortSignal) =>
  get<Listing>("review/list", { ...chosen, ...seat, rows: null, view: null }, signal);
export const labels = (seat: Seat, run: string) => get<{ labels: Field[] }>("review/labels", { ...seat, run });
export const ended = (seat: Seat, run: string, signal: AbortSignal) => get<Ended>("review/ended", { ...seat, run }, signal);

const KEPT = "pada-studio-verdict";
const PAUSE = 3_000;

function keep(words: string | null): void {
  try {
    if (words === null) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, words);
  } catch {
    // A browser that keeps nothing: it holds until the page is left.
  }
}

/**
 * Says one thing at a time, and holds on to it until the store has it: a server that does not answer and a run that
 * writes only make it wait. It is kept in this tab, also where the page is loaded again.
 */
class Saying {
  /** What is on its way, in words; empty where nothing is. */
  what = $state("");
  /** Why it is not in the store yet; empty at the first try. */
  why = $state("");
  hint = $state("");
  tries = $state(0);
  #gone = false;
  #again: (() => void) | undefined;

  /** Return what the server answers once it is in the store, undefined where it was dropped; throws what is refused. */
  async say(path: string, body: Record<string, unknown>, what: string): Promise<Answer | undefined> {
    this.what = what;
    this.tries = 0;
    this.#gone = false;
    keep(JSON.stringify({ path, body, what }));
    try {
      while (!this.#gone) {
        this.tries += 1;
        const answer = await this.#once(path, body);
        if (answer) return answer;
        await new Promise<void>((done) => {
          this.#again = done;
          setTimeout(done, PAUSE);
        });
      }
      return undefined;
    } finally {
      keep(null);
      this.what = this.why = this.hint = "";
    }
  }

  async #once(path: string, body: Record<string, unknown>): Promise<Answer | undefined> {
    try {
      const answer = await post<Answer>(path, body);
      if (answer.kept) return answer;
      this.why = answer.why?.message ?? "";
      this.hint = answer.why?.hint ?? "";
    } catch (error) {
      // What is wrong with the verdict itself, or with this browser's key, does not pass by itself.
      if (!(error instanceof Refused) || (error.status >= 400 && error.status < 500)) throw error;
      this.why = error.message;
      this.hint = error.hint;
    }
    return undefined;
  }

  now(): void {
    this.#again?.();
  }

  /** Take it back before it is in the store. */
  drop(): void {
    this.#gone = true;
    this.#again?.();
  }

  /** Send what a page that was left in the middle had not got into the store; return what that was, undefined for nothing. */
  async resume(): Promise<string | undefined> {
    const left = this.#left();
    if (!left || this.what) return undefined;
    return (await this.say(left.path, left.body, left.what)) && left.what;
  }

  #left(): { path: string; body: Record<string, unknown>; what: string } | undefined {
    try {
      const words = sessionStorage.getItem(KEPT);
      return words === null ? undefined : (JSON.parse(words) as { path: string; body: Record<string, unknown>; what: string });
    } catch {
      return undefined;
    }
  }
}

/** One for all pages of a tab: it goes on where another page is looked at. */
export const saying = new Saying();
