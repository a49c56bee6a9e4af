/** What the server answers about versions of recipes, and the packages that they use. */

import { get } from "./api";

export interface Score {
  value: number;
  low: number | null;
  high: number | null;
}

export interface VersionRun {
  run: string;
  status: string;
  started: string;
  limit: number | null;
  metric: string;
  untuned: Score | null;
  plain: Score | null;
  chosen: Score | null;
  rounds: number[];
  changed: string[] | null;
}

export interface Version {
  commit: string | null;
  date: string | null;
  subject: string;
  tags: string[];
  version: string;
  file: string | null;
  runs: VersionRun[];
  /** Those of its runs whose metric is a share. */
  percent: string[];
}

export interface Git {
  in_git: boolean;
  commit: string | null;
  branch: string | null;
  tags: string[];
  repository: string | null;
}

export interface Versions {
  versions: Version[];
  more: boolean;
  most: number;
  now: Git & { changed: string[] | null };
  command: string;
}

export interface Difference {
  before: string;
  after: string;
  same: boolean;
  settings: { title: string; changes: { how: string; text: string; where: string }[] }[];
  files: { how: string; kind: string; path: string; lines: string[] }[];
  others: { title: string; lines: { name: string; before: string | null; after: string | null }[] }[];
  nodes: number | null;
  pending: number;
  steps: string | null;
  causes: string[];
  estimate: string[];
  notes: string[];
  command: string;
}

export interface Package {
  name: string;
  version: string;
  revision: string;
  commit: string;
  git: string;
  subdirectory: string;
  folder: string;
  installed: boolean;
  trusted: boolean;
  requested: Record<string, string>;
}

export interface Repository {
  folder: string;
  git: Git;
  project: { file: string; text: string; has_lock: boolean } | null;
  packages: Package[];
  problems: { where: { file: string; line: number }; message: string; hint: string }[];
  why_not: { message: string; hint: string } | null;
}

export const versionsOf = (recipe: string, most: string | undefined, signal: AbortSignal) => get<Versions>("versions", { recipe, most }, signal);
export const difference = (recipe: string, before: string, after: string, signal: AbortSignal) =>
  get<Difference>("versions/diff", { recipe, before, after }, signal);
export const repository = (signal: AbortSignal) => get<Repository>("repository", {}, signal);

/** In place of a commit or a run: the files as they are now. */
export const NOW = "now";

/** How a version is called: its tags, what the recipe says itself, or the commit. */
export function nameOf(version: Version): string {
  const said = [...version.tags, ...(version.version ? [version.version] : [])];
  // A tag such as v1.4.0 says what the recipe's version does.
  const names = [...new Set(said)].filter((one) => !said.includes(`v${one}`));
  return names.slice(-2).join(", ");
}
