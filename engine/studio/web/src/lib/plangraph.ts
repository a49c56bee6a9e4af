/** Where the nodes of a plan are drawn: a column for each stage in the plan's order, a band for each seed and round. */

import { groupOf, type Drawn } from "./running";

export const NODE = { width: 84, height: 26, gapX: 13, gapY: 6 };
export const BAND = { label: 124, pad: 7, folded: 30, top: 24 };

export interface Placed<N extends Drawn> {
  node: N;
  x: number;
  y: number;
}

export interface Band<N extends Drawn> {
  group: string;
  y: number;
  height: number;
  folded: boolean;
  nodes: N[];
}

export interface Laid<N extends Drawn> {
  width: number;
  height: number;
  stages: { name: string; x: number }[];
  bands: Band<N>[];
  placed: Placed<N>[];
  at: Map<string, Placed<N>>;
}

export function groupsOf<N extends Drawn>(nodes: N[]): Map<string, N[]> {
  const groups = new Map<string, N[]>();
  for (const node of nodes) {
    const group = groupOf(node.name);
    groups.set(group, [...(groups.get(group) ?? []), node]);
  }
  return groups;
}

/** The stages in an order in which each comes after those that it reads from, where there is one. */
function columns(nodes: Drawn[]): string[] {
  const stageOf = new Map(nodes.map((node) => [node.name, node.stage]));
  const after = new Map<string, Set<string>>();
  for (const node of nodes) {
    const known = after.get(node.stage) ?? new Set<string>();
    for (const name of node.inputs) {
      const stage = stageOf.get(name);
      // Between bands the loop goes back to its first stage: that says nothing of the order.
      if (stage && stage !== node.stage && (groupOf(name) === groupOf(node.name) || groupOf(name) === "")) known.add(stage);
    }
    after.set(node.stage, known);
  }
  const order: string[] = [];
  const left = [...after.keys()];
  while (left.length) {
    const next = left.findIndex((stage) => [...(after.get(stage) ?? [])].every((one) => order.includes(one)));
    order.push(...left.splice(Math.max(0, next), 1));
  }
  return order;
}

export function lay<N extends Drawn>(nodes: N[], folded: (group: string, nodes: N[]) => boolean): Laid<N> {
  const stages = columns(nodes);
  const step = NODE.width + NODE.gapX;
  const placed: Placed<N>[] = [];
  const bands: Band<N>[] = [];
  let y = BAND.top;
  for (const [group, members] of groupsOf(nodes)) {
    const isFolded = folded(group, members);
    let rows = 0;
    if (!isFolded) {
      const filled = new Map<string, number>();
      for (const node of members) {
        const row = filled.get(node.stage) ?? 0;
        filled.set(node.stage, row + 1);
        rows = Math.max(rows, row + 1);
        placed.push({ node, x: BAND.label + stages.indexOf(node.stage) * step, y: y + BAND.pad + row * (NODE.height + NODE.gapY) });
      }
    }
    const height = isFolded ? BAND.folded : 2 * BAND.pad + rows * (NODE.height + NODE.gapY) - NODE.gapY;
    bands.push({ group, y, height, folded: isFolded, nodes: members });
    y += height + 4;
  }
  return {
    width: BAND.label + stages.length * step,
    height: y,
    stages: stages.map((name, index) => ({ name, x: BAND.label + index * step })),
    bands,
    placed,
    at: new Map(placed.map((one) => [one.node.name, one])),
  };
}

/** The node that lies next in a direction; the same one where there is none. */
export function neighbour<N extends Drawn>(laid: Laid<N>, from: Placed<N>, key: string): Placed<N> {
  const [dx, dy] = key === "ArrowLeft" ? [-1, 0] : key === "ArrowRight" ? [1, 0] : key === "ArrowUp" ? [0, -1] : [0, 1];
  let best = from;
  let least = Infinity;
  for (const one of laid.placed) {
    const [ax, ay] = [one.x - from.x, one.y - from.y];
    const along = ax * dx + ay * dy;
    if (along <= 0) continue;
    // What lies straight ahead comes before what is near and to the side.
    const far = along + 6 * Math.abs(dx ? ay : ax);
    if (far < least) [best, least] = [one, far];
  }
  return best;
}
