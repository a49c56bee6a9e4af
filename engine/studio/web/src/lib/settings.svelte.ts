/** What this browser remembers: light or dark, and whether single keys do something. */

type Theme = "system" | "light" | "dark";

function kept(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(name, value);
  } catch {
    // A browser that keeps nothing: it holds until the page is left.
  }
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const THEMES: Theme[] = ["system", "light", "dark"];

class Settings {
  theme = $state<Theme>(THEMES.find((one) => one === kept("theme")) ?? "system");
  keys = $state(kept("keys") !== "off");
  /** Who reviews in this browser; empty where it was not said yet. */
  reviewer = $state(kept("reviewer") ?? "");
  #system = $state(dark.matches);
  isDark = $derived(this.theme === "dark" || (this.theme === "system" && this.#system));

  constructor() {
    dark.addEventListener("change", (event) => (this.#system = event.matches));
  }

  nextTheme(): void {
    this.theme = this.isDark ? "light" : "dark";
    keep("theme", this.theme);
  }

  setReviewer(name: string): void {
    this.reviewer = name;
    keep("reviewer", name);
  }

  setKeys(on: boolean): void {
    this.keys = on;
    keep("keys", on ? "on" : "off");
  }
}

export const settings = new Settings();
