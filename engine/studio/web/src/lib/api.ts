/** Asking the server: JSON in, JSON out, and its own words where something is wrong. */

import { connection } from "./connection.svelte";

export class Refused extends Error {
  constructor(
    message: string,
    readonly hint: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export type Words = Record<string, string | number | boolean | null | undefined>;

function address(path: string, words: Words): string {
  const said = Object.entries(words).filter(([, v]) => v !== "" && v !== null && v !== undefined);
  const query = new URLSearchParams(said.map(([name, value]) => [name, String(value)])).toString();
  return `/api/${path}${query ? `?${query}` : ""}`;
}

async function answered(request: Promise<Response>): Promise<Response> {
  let response: Response;
  try {
    response = await request;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    connection.heard(0);
    throw new Refused(
      "the studio does not answer",
      "start it again with `pada studio`, and open the address that it prints",
      0,
    );
  }
  connection.heard(response.status);
  if (response.ok) return response;
  const said = (await response.json().catch(() => ({}))) as { error?: string; hint?: string };
  throw new Refused(said.error ?? `the studio answered ${response.status}`, said.hint ?? "", response.status);
}

export async function get<T>(path: string, words: Words = {}, signal?: AbortSignal): Promise<T> {
  const response = await answered(fetch(address(path, words), { signal: signal ?? null }));
  return (await response.json()) as T;
}

function sent(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return answered(
    fetch(`/api/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: signal ?? null,
    }),
  );
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  return (await (await sent(path, body, signal)).json()) as T;
}

/** Have the browser keep a file that the server makes. */
export async function download(path: string, body: unknown, name: string, signal?: AbortSignal): Promise<void> {
  const blob = await (await sent(path, body, signal)).blob();
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
