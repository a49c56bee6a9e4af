/** How numbers are written; as `pada report` writes them. */

export const NONE = "–";

export function count(value: number | string | null | undefined): string {
  return value === null || value === undefined ? NONE : typeof value === "number" ? value.toLocaleString("en") : value;
}

export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

export function hundredfold(value: number): string {
  return (Math.round(value * 1e11) / 1e9).toFixed(1);
}

export function value(number: number | null | undefined, percent: boolean): string {
  if (number === null || number === undefined) return NONE;
  if (percent) return `${hundredfold(number)}%`;
  return number.toLocaleString("en", { maximumFractionDigits: Math.abs(number) >= 100 ? 1 : 3 });
}

export function signed(number: number | null | undefined, percent: boolean): string {
  if (number === null || number === undefined) return NONE;
  const text = percent ? hundredfold(number) : number.toFixed(3);
  return number > 0 ? `+${text}` : text.replace("-", "−");
}

export function interval(low: number | null, high: number | null, percent: boolean): string {
  if (low === null || high === null) return "";
  const one = (end: number) => (percent ? hundredfold(end) : value(end, false)).replace("-", "−");
  return `${one(low)} to ${one(high)}`;
}

export function roundLabel(round: number): string {
  return round === -1 ? "untuned" : round === -2 ? "control" : `round ${round}`;
}

/** A student by its round, and whether it is the one that is kept. */
export function studentLabel(round: number, kept: number[]): string {
  const label = roundLabel(round);
  return kept.includes(round) ? `${label}, kept` : label;
}

export function money(cost: number | null): string {
  if (cost === null) return NONE;
  return Math.abs(cost) >= 1 || cost === 0 ? cost.toFixed(2) : String(Number(cost.toPrecision(2)));
}

export function duration(seconds: number | null): string {
  if (seconds === null) return NONE;
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  return seconds < 6000 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** A text as SQL has it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** A line of the terminal as a sentence. */
export function sentence(line: string): string {
  return line.charAt(0).toUpperCase() + line.slice(1) + (/[.!?:)]$/.test(line) ? "" : ".");
}
