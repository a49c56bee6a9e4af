/** The preview of a recipe, as the server tells of it. */

import type { Problem } from "./types";
import type { Story } from "./types";

export interface Plan {
  problems: Problem[];
  refused: { message: string; hint: string } | null;
  said?: string[];
  models?: { role: string; name: string; backend: string; host: string }[];
  rows?: number;
  steps?: number;
  version?: string;
  mark?: string;
  read_only?: boolean;
}

export interface About {
  mark: string;
  version: string;
  rows: number;
}

export interface Seen {
  mark: string;
  same: boolean;
  about: About | null;
  state?: "none" | "starting" | "running" | "ended" | "killed" | "not begun";
  pid?: number;
  current?: string[];
  over?: number;
  total?: number;
  works?: Record<string, { done: number; total: number; note: string; left: number | null }>;
  spent?: { calls: number; tokens: number; cost: number } | null;
  ended?: { status: string; note: string } | null;
  log?: string[];
}

export interface Result {
  run: string | null;
  about: About | null;
  status?: string;
  examples?: Story[];
  generated?: Story[];
  drops?: { stage: string; reason: string; count: number; example: string }[];
}
