/** The prompts of a recipe, as the server shows them. */

export interface Stages {
  stages: { name: string; about: string }[];
  count: number;
  found: number;
  rows: { number: number; inputs: Record<string, string>; target: string }[];
  random: number | null;
}

export interface Prompt {
  sheet: {
    role: string;
    model: string;
    backend: string;
    pack: string;
    prompt: string;
    alike: number;
    characters: number;
    max_tokens: number;
    thinking_tokens: number;
    schema: unknown;
    has_row: boolean;
  };
  file: string;
  turns: { role: string; content: string }[];
  exact: boolean;
  tokens: number;
  how: string;
}

export interface Shown {
  node: string;
  stored: string[];
  made_up: string[];
  unanswered: string[];
  prompts: Prompt[];
}
