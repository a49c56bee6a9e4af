/** From a file to a recipe: what the server answers, and what is chosen so far, kept while other pages are looked at. */

import { get, post, Refused } from "./api";
import type { Problem } from "./types";

export interface About {
  endings: string[];
  largest: number;
  read_only: boolean;
  files: string[];
  recipes: { name: string; description: string }[];
}

export interface Question {
  flag: string;
  title: string;
  text: string;
  choices: { value: string; about: string }[];
  more: number;
  several: boolean;
  answer: string[];
  proposal: string[];
}

export interface Amiss {
  field: string;
  message: string;
  hint: string;
}

export interface Setting {
  key: string;
  value: string;
  is_given: boolean;
}

export interface Found {
  said: string;
  format: Setting[];
  error: Amiss | null;
  columns?: string[];
  column_count?: number;
  rows?: (string | null)[][];
  row_count?: number;
  is_cut?: boolean;
  bad?: Problem[];
  bad_count?: number;
  questions?: Question[];
  open?: string;
  kind?: { name: string; about: string } | null;
  told?: string[];
}

export interface Shown {
  text?: string;
  told?: string[];
  warnings?: Problem[];
  error: Amiss | null;
}

interface Begun {
  room: string;
  place: string;
  is_sent: boolean;
  folder: string;
}

function refused(reason: unknown): Refused {
  return reason instanceof Refused ? reason : new Refused(String(reason), "", 0);
}

class Start {
  name = $state("");
  room = $state("");
  isSent = $state(false);
  /** The recipe that was made last. */
  made = $state("");
  place = $state("");
  folder = $state("");
  answers = $state<Record<string, string[]>>({});
  format = $state<Record<string, string>>({});
  found = $state.raw<Found | undefined>(undefined);
  shown = $state.raw<Shown | undefined>(undefined);
  /** What is wrong with the file or the server, and with no field. */
  wrong = $state.raw<Refused | undefined>(undefined);
  /** Of the bytes of a file, 0 to 1, while it is sent. */
  sent = $state<number | undefined>(undefined);
  busy = $state("");
  #sending: XMLHttpRequest | undefined;
  #asked = 0;
  #timer = 0;

  get error(): Amiss | null {
    return this.shown?.error ?? this.found?.error ?? null;
  }

  #body(): unknown {
    return { room: this.room, answers: this.answers, format: this.format, folder: this.folder, place: this.place };
  }

  forget(): void {
    this.#sending?.abort();
    if (this.room) post("new/drop", { room: this.room }).catch(() => undefined);
    clearTimeout(this.#timer);
    this.#asked++;
    this.name = this.room = this.place = this.folder = this.busy = "";
    this.answers = {};
    this.format = {};
    this.found = this.shown = this.wrong = this.sent = undefined;
  }

  async send(file: File, largest: number): Promise<void> {
    this.forget();
    this.name = file.name;
    if (file.size > largest) {
      this.wrong = new Refused(
        `${file.name} has ${(file.size / 2 ** 30).toFixed(1)} GiB, and at most ${(largest / 2 ** 30).toFixed(0)} GiB are sent`,
        "put it into the project's folder yourself, and name it below: a file that lies there may have any size",
        0,
      );
      return;
    }
    this.sent = 0;
    try {
      await post("new/named", { name: file.name });
      this.#begin(await this.#upload(file));
    } catch (reason) {
      if (!(reason instanceof DOMException)) this.wrong = refused(reason);
      else this.name = "";
    }
    this.sent = undefined;
  }

  /** By the old way of asking, which alone says how far it is. */
  #upload(file: File): Promise<Begun> {
    return new Promise((done, failed) => {
      const request = new XMLHttpRequest();
      this.#sending = request;
      request.open("POST", `/api/new/file?name=${encodeURIComponent(file.name)}`);
      request.upload.onprogress = (event) => (this.sent = event.loaded / Math.max(event.total, 1));
      request.onabort = () => failed(new DOMException("stopped", "AbortError"));
      request.onerror = () => failed(new Refused("the file did not come through", "is the studio still running, and the file still there? choose it once more", 0));
      request.onload = () => {
        let said: Begun & { error?: string; hint?: string };
        try {
          said = JSON.parse(request.responseText);
        } catch {
          return failed(new Refused(`the studio answered ${request.status}`, "", request.status));
        }
        if (request.status === 200) done(said);
        else failed(new Refused(said.error ?? `the studio answered ${request.status}`, said.hint ?? "", request.status));
      };
      request.send(file);
    });
  }

  stop(): void {
    this.#sending?.abort();
  }

  async use(path: string): Promise<void> {
    this.forget();
    this.name = path;
    this.busy = "Looking at the file…";
    try {
      this.#begin(await post<Begun>("new/path", { path }));
    } catch (reason) {
      this.busy = "";
      this.wrong = refused(reason);
    }
  }

  #begin(begun: Begun): void {
    this.room = begun.room;
    this.place = begun.place;
    this.folder = begun.folder;
    this.isSent = begun.is_sent;
    void this.look();
  }

  /** Something was chosen: what is asked next may change with it. */
  answer(flag: string, said: string[]): void {
    this.answers = { ...this.answers, [flag]: said };
    if (flag === "--teacher") {
      // What was said of one server says nothing of another.
      const { "--address": _, "--key": __, ...rest } = this.answers;
      this.answers = rest;
    }
    this.later();
  }

  read(key: string, value: string): void {
    this.format = { ...this.format, [key]: value };
    this.later();
  }

  later(): void {
    this.shown = undefined;
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.look(), 150);
  }

  async look(): Promise<void> {
    const mine = ++this.#asked;
    this.busy = "Looking at the file…";
    this.shown = undefined;
    try {
      const found = await post<Found>("new/look", this.#body());
      if (mine === this.#asked) {
        this.found = found;
        this.wrong = undefined;
      }
    } catch (reason) {
      if (mine === this.#asked) this.wrong = refused(reason);
    }
    if (mine === this.#asked) this.busy = "";
  }

  async check(): Promise<void> {
    clearTimeout(this.#timer);
    const mine = ++this.#asked;
    this.busy = "Checking the recipe with all rows…";
    this.shown = undefined;
    try {
      const shown = await post<Shown>("new/check", this.#body());
      if (mine === this.#asked) this.shown = shown;
    } catch (reason) {
      if (mine === this.#asked) this.wrong = refused(reason);
    }
    if (mine === this.#asked) this.busy = "";
  }

  /** The recipe's path, once it is written. */
  async create(): Promise<string> {
    this.busy = "Writing…";
    try {
      const made = await post<{ recipe?: string; error: Amiss | null }>("new/create", this.#body());
      this.busy = "";
      if (made.recipe) {
        this.room = "";
        this.forget();
        this.made = made.recipe;
        return made.recipe;
      }
      this.shown = { error: made.error };
    } catch (reason) {
      this.wrong = refused(reason);
    }
    this.busy = "";
    return "";
  }
}

export const start = new Start();

export function about(signal: AbortSignal): Promise<About> {
  return get<About>("new", {}, signal);
}

export async function copy(recipe: string): Promise<string> {
  return (await post<{ recipe: string }>("recipes/copy", { name: recipe })).recipe;
}
