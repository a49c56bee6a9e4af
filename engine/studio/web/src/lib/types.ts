/** What the server answers; the names are those of the engine's records. */

export interface About {
  version: string;
  state: string;
  folder: string;
  read_only: boolean;
  has_store: boolean;
  going_on: string;
  not_visible_yet: number;
}

export interface Problem {
  where: { file: string; line: number; column: number };
  message: string;
  hint: string;
  level: "error" | "warning";
  code: string;
}

export interface RunLine {
  chosen: string;
  /** The recipe's file in the project; empty where it is not there. */
  file: string;
  row_limit: number | null;
  percent: boolean;
  facts: {
    id: string;
    recipe: string;
    status: string;
    started: string;
    minutes: number | null;
    calls: number;
    metric: string;
    best: number | null;
    note: string;
  };
}

export interface Measured {
  value: number;
  low: number | null;
  high: number | null;
  n: number;
  seeds: number;
}

export interface Cell {
  metric: string;
  split: string;
  round: number;
  seed: number | null;
  measured: Measured;
}

export interface Scores {
  primary: string;
  metrics: string[];
  percent: string[];
  lower: string[];
  seeds: number[];
  rounds: { round: number; label: string }[];
  cells: Cell[];
}

/** The student that a run keeps. */
export interface Use {
  student: { seed: number; round: number; path: string; is_there: boolean } | null;
  commands: { what: string; command: string }[];
  note: string;
}

export interface Overview {
  file: string;
  kept: number[];
  header: {
    recipe: string;
    description: string;
    path: string;
    run: string;
    status: string;
    note: string;
    started: string;
    minutes: number | null;
    row_limit: number | null;
    models: { role: string; backend: string; name: string; identity: string }[];
    seeds: number[];
    /** Of the check, before the run began or went on. */
    warnings: Problem[];
  };
  task: string;
  headline: { sentence: string; tone: "good" | "bad" | "unclear" };
  scores: Scores;
  decisions: {
    seed: number;
    round: number;
    stage: string;
    go_on: boolean;
    reason: string;
    best_round: number;
    rolled_back: boolean;
  }[];
  unread: { round: number; answers: number; unread: number; first: string }[];
}

export interface Movements {
  movements: { seed: number; round: number; failures: number; mended: number; new: number; outside: number }[];
}

export interface Generation {
  funnel: {
    round: number;
    attempt: number;
    operator: string;
    generated: number;
    rejected: [string, number][];
    waiting: number;
    accepted: number;
    selected: number;
    trained: number;
  }[];
  drops: { stage: string; reason: string; count: number; example: string }[];
  judgement: { mode: string; judged: number };
  agreement: number | null;
}

export interface Spend {
  calls: {
    role: string;
    stage: string;
    reused: boolean;
    calls: number;
    errors: number;
    prompt_tokens: number;
    completion_tokens: number;
    unmetered: number;
    cost: number | null;
    unpriced: number;
    seconds: number;
  }[];
  nodes: { name: string; stage: string; status: string; seconds: number }[];
}

export interface PatternShown {
  facts: {
    seed: number;
    id: string;
    name: string;
    description: string;
    category: string | null;
    found: number;
    size: number;
    strategies: string[];
    generated: number;
    accepted: number;
    selected: number;
    guarded: boolean;
    test: { verdict: string; funded: boolean; detail: string; lift: number | null; lift_low: number | null; lift_high: number | null } | null;
    first_seen: { run: string; date: string; version: string } | null;
  };
  status: string;
  before: number;
  after: number | null;
  price: {
    items: { what: string; calls: number; tokens: number; cost: number | null }[];
    tokens: number;
    cost: number | null;
  };
}

export interface Dossier extends PatternShown {
  includes: string[];
  excludes: string[];
  life: {
    round: number;
    life: string;
    found: number | null;
    rows: number | null;
    failing: number | null;
    control_failing: number | null;
    rate: number | null;
    rate_low: number | null;
    rate_high: number | null;
  }[];
  members: {
    round: number;
    example: string;
    inputs: Record<string, string>;
    target: string;
    answer: string | null;
    root_cause: string;
    scenario: string;
    fails: boolean;
  }[];
  members_total: number;
  written: {
    round: number;
    attempt: number;
    candidate: string;
    operator: string;
    inputs: Record<string, string>;
    target: string;
    outcome: string;
    reason: string;
    detail: string;
  }[];
  written_total: number;
  rejected: [string, number][];
}

export interface Dot {
  x: number;
  y: number;
  seed: number;
  round: number;
  pattern: string;
  pattern_id: string;
  root_cause: string;
  scenario: string;
  example: string;
}

export interface Facets {
  kept: number[];
  failures: { seed: number[]; round: number[]; split: string[] };
  generated: { seed: number[]; round: number[]; operator: string[] };
  patterns: { pattern: string; name: string; size: number }[];
  reasons: string[];
  /** Reason -> what it means, as the manual says it. */
  meanings: Record<string, string>;
  outcomes: string[];
}

export interface Listed<Row> {
  rows: Row[];
  total: number;
  exact: boolean;
  among: number;
  looked: number;
  further: string | null;
  /** Of a sorted search that goes on: places of the first rows so far. */
  best: number[];
  offset: number;
  limit: number;
}

export interface FailureRow {
  seed: number;
  round: number;
  split: string;
  example: string;
  inputs: Record<string, string>;
  target: string;
  answer: string | null;
  status: string;
  confidence: number | null;
  root_cause: string | null;
  pattern: string | null;
  pattern_name: string | null;
}

export interface GeneratedRow {
  seed: number;
  round: number;
  attempt: number;
  candidate: string;
  operator: string;
  inputs: Record<string, string>;
  target: string;
  pattern: string | null;
  pattern_name: string | null;
  reason: string | null;
  left_out: string | null;
  detail: string | null;
  outcome: string;
  row: string;
}

/** What a metric gives one row, and how that is read. */
export interface RowScore {
  metric: string;
  value: number | null;
  kind: "right" | "wrong" | "share" | "number";
}

export interface Story {
  run: string;
  id: string;
  /** The id that reviews know it by; empty for one that nobody is asked about. */
  review: string;
  origin: { split: string; inputs: Record<string, string>; target: string; source: string; line: number }[];
  answers: {
    seed: number;
    round: number;
    label: string;
    split: string;
    text: string;
    answer: string | null;
    status: string;
    confidence: number | null;
    predicate: string | null;
    scores: RowScore[];
  }[];
  diagnoses: {
    seed: number;
    round: number;
    root_cause: string;
    scenario: string;
    evidence: string | null;
    reasoning: string | null;
    skill: string | null;
    category: string | null;
    suspect: boolean | null;
    confidence: number | null;
    convention: string | null;
    call: string;
    pattern: string | null;
    pattern_name: string | null;
  }[];
  doubts: { seed: number; round: number; target: string; answer: string | null; reason: string; confidence: number | null }[];
  written: (GeneratedRow & {
    parent: string;
    parent_inputs: Record<string, string>;
    parent_target: string | null;
    strategy_text: string | null;
    feedback: string | null;
    adherence: number | null;
    utility: number | null;
    relevance: number | null;
    similarity: number | null;
    example: string | null;
    trained_in: number | null;
    label_source: string | null;
  })[];
  blind: { seed: number; round: number; sample: number; answer: string | null; agrees: number; how: string; detail: string }[];
  children: (GeneratedRow & { why: string | null })[];
  most_children: number;
  reviews: { made: string; reviewer: string; verdict: string; reason: string; note: string; new_target: string | null; stands: boolean }[];
  calls: { id: string; what: string }[];
}

export interface Call {
  entries: {
    id: string;
    run: string;
    role: string;
    model: string;
    node_name: string | null;
    stage: string | null;
    messages: { role: string; content: string }[];
    schema: unknown;
    max_tokens: number;
    temperature: number;
    attempt: number;
    reply: string;
    finish_reason: string;
    prompt_tokens: number | null;
    completion_tokens: number | null;
    seconds: number;
    error: string | null;
    detail: string;
    created: string;
    cost: number | null;
    tries: { kind: string; status?: number; seconds: number; detail: string }[] | null;
  }[];
  made: { what: string; item: string; about: string; node: string | null }[];
}

export interface Confusion {
  kept: number[];
  rounds: { round: number; label: string }[];
  splits: string[];
  round: number;
  split: string;
  cells: { target: string; answer: string | null; n: number }[];
}

export interface SideBySide {
  sides: { run: string; recipe: string; round: number; label: string; scores: Scores }[];
  counts: Record<string, number>;
  kind: string;
  rows: {
    example: string;
    answer_before: string | null;
    answer_after: string | null;
    inputs: Record<string, string>;
    target: string;
    pattern: string | null;
    pattern_name: string | null;
  }[];
  offset: number;
  limit: number;
  patterns: {
    root: string;
    name: string;
    pattern_before: string | null;
    pattern_after: string | null;
    size_before: number | null;
    size_after: number | null;
    failing_before: number | null;
    failing_after: number | null;
    status_before: string | null;
    status_after: string | null;
  }[];
}

export interface Relation {
  name: string;
  is_view: boolean;
  comment: string | null;
  columns: { name: string; type: string; comment: string }[];
}

export interface Questions {
  parts: { title: string; questions: { question: string; note: string; sql: string }[] }[];
}

export interface Result {
  columns: { name: string; type: string; number: boolean }[];
  rows: (string | number | boolean | null)[][];
  more: boolean;
  shown: number;
  not_visible_yet: number;
}
