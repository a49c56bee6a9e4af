/** What the server answers about recipes, and how it is asked. */

import type { RunLine } from "./types";

export interface RecipeLine {
  file: string;
  name: string;
  description: string;
  kind: string;
  extends: string;
  last: RunLine["facts"] | null;
}

export interface Problem {
  where: { file: string; line: number; column: number };
  message: string;
  hint: string;
  level: "error" | "warning";
  code: string;
}

/** By path of the recipe. */
export type Faults = Record<string, { problem: Problem; count: number }>;
