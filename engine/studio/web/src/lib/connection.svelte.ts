/** Whether the studio answers: a page that is open says when it does not, and goes on by itself when it does again. */

type State = "here" | "gone" | "anew";
const EVERY = 5_000;
const AT_MOST = 15_000;

class Connection {
  /** `gone`: nobody answers. `anew`: it was started again, and does not know this browser. */
  state = $state<State>("here");
  /** How often it came back: what a page shows is read again then. */
  back = $state(0);

  /** A question was answered, refused for want of a key (401), or not answered at all (0). */
  heard(status: number): void {
    const now: State = status === 0 ? "gone" : status === 401 ? "anew" : "here";
    if (now === "here" && this.state !== "here") this.back += 1;
    this.state = now;
  }

  /** Ask now and then, while the page is looked at. */
  watch(): () => void {
    const timer = setInterval(() => {
      if (document.visibilityState !== "visible") return;
      fetch("/api/here", { signal: AbortSignal.timeout(AT_MOST) })
        // Read to its end: a browser takes a question whose answer lies unread for one that goes on.
        .then(async (response) => (await response.text(), this.heard(response.status)))
        .catch(() => this.heard(0));
    }, EVERY);
    return () => clearInterval(timer);
  }
}

export const connection = new Connection();
