/** What the server answers about recipes, and how it is asked. */

import type { Problem, RunLine } from "./types";

export interface RecipeLine {
  file: string;
  name: string;
  description: string;
  kind: string;
  extends: string;
  last: RunLine["facts"] | null;
  /** Whether the metric of the last run is a share. */
  percent: boolean;
}

/** A recipe of a package that was fetched. */
export interface PackagedRecipe extends RecipeLine {
  package: string;
}

/** By path of the recipe. */
export type Faults = Record<string, { problem: Problem; count: number }>;

/** A place of a text that is replaced, as a browser counts. */
export interface Change {
  from: number;
  to: number;
  insert: string;
}

/** A change that the form makes. */
export interface Made extends Change {
  /** How many comments went with what was taken out. */
  comments_lost: number;
}

export interface Fix extends Change {
  label: string;
}

export interface Shown {
  problem: Problem;
  start: number;
  end: number;
  path: (string | number)[] | null;
  is_here: boolean;
  /** Whether the text cannot be read because of it. */
  is_unreadable: boolean;
  fix: Fix | null;
}

export interface Opened {
  recipe: string;
  text: string;
  is_crlf: boolean;
  has_mark: boolean;
  digest: string;
  /** Why it cannot be changed; empty where it can. */
  locked: string;
  /** Whether it is a package's, and can be copied into the project. */
  is_packaged: boolean;
}

export interface Looked {
  data?: Record<string, unknown> | null;
  under?: Record<string, unknown> | null;
  problems: Shown[];
}

/** What the rows are like that a check read. */
export interface Profile {
  splits: { split: string; rows: number; labels: number | null; repeated: number; blank: number; left_out: number; overlaps: { other: string; same: number; near: number | null }[] }[];
  /** By label, its rows in each split. */
  labels: { label: string; rows: number[] }[];
  more_labels: number;
}

export interface Checked extends Looked {
  profile: Profile | null;
  /** False where the text is no recipe yet: its other mistakes come first. */
  rows_read: boolean;
}

export type Saved = { saved: true; digest: string; is_recipe: boolean } | { saved: false; now: Omit<Opened, "recipe" | "locked" | "is_packaged"> };

export interface Edit {
  path: (string | number)[];
  op: "set" | "write" | "remove" | "insert" | "swap" | "rename";
  value?: unknown;
}

export interface ShippedRecipe {
  name: string;
  description: string;
  text: string;
}
