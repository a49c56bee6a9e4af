/** The run that goes on, for all of the page: asked once a second while there is one, and else only now and then. */

import { untrack } from "svelte";
import { get, post, Refused } from "./api";
import type { Watch } from "./running";

const SECOND = 1000;
const HIDDEN = 5000;
const BACK = 5000;
/** Between the end of a step and the store's showing its rows. */
const SHOWN_AFTER = 6500;

class Running {
  now = $state.raw<Watch | undefined>(undefined);
  error = $state.raw<Refused | undefined>(undefined);
  /** Counts up when the store may have something new. */
  turn = $state(0);
  #wholes = 0;
  #timer: number | undefined;
  #later: number | undefined;
  #asks = false;
  /** Something was done while the server was being asked: what it answers may be from before. */
  #isOld = false;
  /** Runs of which the store has something. */
  #seen = new Set<string>();
  #wasAsked = () => {};
  /** Once the server has answered for the first time. */
  readonly #known = new Promise<void>((done) => (this.#wasAsked = done));

  constructor() {
    const look = () => this.poke();
    addEventListener("hashchange", look);
    addEventListener("focus", look);
    document.addEventListener("visibilitychange", () => document.hidden || this.poke());
    this.poke();
  }

  get goesOn(): boolean {
    return this.now?.state === "running" || this.now?.state === "starting";
  }

  /** A page shows all of it, until the returned function is called. */
  whole(): () => void {
    this.#wholes += 1;
    // Who asks for it does not depend on what the answer is.
    untrack(() => this.poke());
    return () => (this.#wholes -= 1);
  }

  /** Ask the store of a run, and again as the run gets on; nothing where it has just begun and nothing is there yet. */
  async stored<T>(run: string, load: () => Promise<T>): Promise<T | null> {
    void this.turn;
    await this.#known;
    if (this.#isNew(run)) return null;
    try {
      const found = await load();
      this.#seen.add(run);
      return found;
    } catch (reason) {
      if (this.goesOn && this.now?.run === run && reason instanceof Refused && reason.status === 400) return null;
      throw reason;
    }
  }

  /** Another number once a run is over: what is asked with it (`$derived`) is asked again then, and not with each step. */
  over(run: string): number {
    if (this.now?.run !== run) return 0;
    return this.goesOn ? -1 : this.turn;
  }

  #isNew(run: string): boolean {
    const { began, written } = this.now ?? {};
    if (!this.goesOn || this.now?.run !== run || this.#seen.has(run) || !began || !written) return false;
    return Date.parse(written.replace(" ", "T")) - Date.parse(began.replace(" ", "T")) < SHOWN_AFTER;
  }

  poke(): void {
    clearTimeout(this.#timer);
    void this.#ask();
  }

  async start(body: { recipe: string; limit: number | null; settings: string[] }): Promise<void> {
    await post("running/start", body);
    this.poke();
  }

  async again(): Promise<void> {
    await post("running/again", {});
    this.poke();
  }

  async stop(pid: number, kill = false): Promise<void> {
    await post("running/stop", { pid, kill });
    this.poke();
  }

  async #ask(): Promise<void> {
    if (this.#asks) {
      this.#isOld = true;
      return;
    }
    this.#asks = true;
    this.#isOld = false;
    const whole = this.#wholes > 0;
    try {
      const seen = this.now && Boolean(this.now.nodes) === whole ? this.now.mark : "";
      const found = await get<Watch | { same: true }>("running", { whole: whole ? 1 : 0, seen });
      if (!found.same) this.#take(found);
      this.error = undefined;
    } catch (reason) {
      this.error = reason instanceof Refused ? reason : new Refused(String(reason), "", 0);
    } finally {
      this.#asks = false;
      this.#wasAsked();
      clearTimeout(this.#timer);
      // Who looks at nothing that goes on asks nothing.
      if (this.#isOld || (this.#wholes > 0 && !whole && !this.error)) void this.#ask();
      else if (this.goesOn) this.#timer = setTimeout(() => this.#ask(), this.error ? BACK : document.hidden ? HIDDEN : SECOND);
    }
  }

  #take(found: Watch): void {
    const before = this.now;
    this.now = found;
    const moved = !before ? this.goesOn : (before.over !== found.over || before.state !== found.state || before.run !== found.run);
    if (!moved) return;
    if (!this.goesOn) this.turn += 1;
    this.#later ??= setTimeout(() => {
      this.#later = undefined;
      this.turn += 1;
    }, SHOWN_AFTER);
  }
}

export const running = new Running();
