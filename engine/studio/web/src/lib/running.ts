/** What the server answers about plans and runs that go on, and how names of nodes are said. */

export interface Price {
  calls: [number, number];
  tokens: [number, number];
  money: [number, number] | null;
  unpriced: string[];
  steps: number;
  minutes: [number, number] | null;
}

export interface Drawn {
  name: string;
  stage: string;
  seed: number;
  round: number;
  attempt: number;
  inputs: string[];
}

export interface PlanNode extends Drawn {
  state: "cached" | "pending" | "changed";
  because: string;
  id: string;
  if_continuing: string[];
  if_final: string[];
  price: Price | null;
  parameters: [string, string][];
  prompts: string[];
  models: Record<string, string>;
}

export interface PlanProblem {
  where: string;
  level: "error" | "warning";
  message: string;
  hint: string;
}

export interface Planned {
  problems: PlanProblem[];
  nodes: PlanNode[];
  /** What each stage does, in a sentence. */
  stages?: Record<string, string>;
  recipe?: string;
  command?: string;
  read_only?: boolean;
  said?: string[];
  total?: Price;
  asked?: { role: string; name: string; host: string; key: string; later: boolean }[];
  missing?: { what: string; how: string }[];
  budget?: Record<string, number>;
}

export interface Work {
  done: number;
  total: number;
  note: string;
  rate: number | null;
  left: number | null;
  seconds: number;
}

export type Line = [string, string, string];

export interface Watch {
  mark: string;
  same: false;
  state: "none" | "starting" | "running" | "ended" | "killed" | "not begun";
  pid: number;
  can_stop: boolean;
  stopping: boolean;
  read_only: boolean;
  run: string;
  recipe: string;
  began: string | null;
  written: string | null;
  current: string[];
  seeds: number;
  over: number;
  total: number;
  works: Record<string, Work>;
  spent: { calls: number; tokens: number; cost: number; in_flight: number } | null;
  budget: Record<string, number | null>;
  ended: { at: string; status: string; note: string; waits_for: { file: string; requests: number }[] } | null;
  can_go_on: boolean;
  command: string;
  /** The most rows of a split that the command takes; empty for all. */
  rows: string;
  /** Other values than the recipe's, as `key=value`. */
  settings: string[];
  folder: string;
  import_command: string;
  log: string[];
  nodes?: Drawn[];
  states?: Record<string, string>;
  /** Step -> where it is worked on, of a run that has several places. */
  places?: Record<string, string>;
  stages?: Record<string, string>;
  told?: Line[];
  warned?: Line[];
}

/** What stands before the node's own name: the part of the plan it belongs to. */
export function groupOf(name: string): string {
  return name.includes("/") ? name.slice(0, name.lastIndexOf("/")) : "";
}

export function groupLabel(group: string, seeds: number): string {
  if (group === "") return "data";
  const words = group.split("/").filter((word) => seeds > 1 || !/^seed--?\d+$/.test(word));
  return words.map((word) => word.replace(/^(seed|round)-/, "$1 ")).join(", ") || "loop";
}

export function nodeLabel(name: string, seeds: number): string {
  const group = groupOf(name);
  const own = name.slice(group ? group.length + 1 : 0);
  return group ? `${groupLabel(group, seeds)} ${own}` : own;
}

export function range(ends: [number, number], decimals = 0): string {
  const one = (end: number) => (end && end < 1 && decimals ? String(Number(end.toPrecision(2))) : end.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }));
  const [low, high] = [one(ends[0]), one(ends[1])];
  return low === high ? low : `${low} to ${high}`;
}

export function price(one: Price | null): string {
  if (!one) return "asks no model and trains nothing";
  const parts = [];
  if (one.calls[1]) parts.push(`${range(one.calls)} calls`, `${range(one.tokens)} tokens`);
  if (one.money) parts.push(`money ${range(one.money, 2)}`);
  if (one.unpriced.length) parts.push("money unknown (no price)");
  if (one.steps) parts.push(`up to ${one.steps.toLocaleString("en")} optimizer steps`);
  if (one.minutes) parts.push(`about ${range(one.minutes, one.minutes[1] < 10 ? 1 : 0)} min`);
  return parts.join(", ");
}

/** With which options a command goes on. */
export function optionsOf(now: Watch): string {
  return [now.rows ? `at most ${now.rows} rows of a split` : "all rows", ...now.settings].join(", ");
}

/** How far the piece of work is that is under way, such as `43 %`; empty where it is not counted. */
export function shareOf(now: Watch): string {
  const [work] = Object.values(now.works);
  return work?.total ? `${Math.floor((100 * work.done) / work.total)} %` : "";
}

/** What a run is at, in a few words: `round 1 train`. */
export function at(now: Watch): string {
  const [what] = Object.keys(now.works);
  if (what) {
    const [name = what, role] = what.split(" (");
    return `${nodeLabel(name, now.seeds)}${role ? ` (${role}` : ""}`;
  }
  const first = now.current[0];
  return first ? nodeLabel(first, now.seeds) : now.total ? `${now.over} of ${now.total} steps` : "it begins";
}

/** The same, and how far: `round 1 train 43 %`. */
export function doing(now: Watch): string {
  return [at(now), shareOf(now)].filter(Boolean).join(" ");
}
