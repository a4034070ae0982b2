/** What a cell can be made to ask for: nothing, a CPU, any GPU, and the GPUs that there are. Pure. */

import type { NodeView } from '../api/types';
import { groupGpus } from './gpus';
import { ANY, canonical, CPU, LOCAL, readSpec } from './magic';

export interface IChoice {
  /** What the magic says: a specification in its canonical form, or "local". */
  wanted: string;
  models: readonly string[];
  count: number;
  /** How many of that model there are and are free; null where that is not known, or not worth saying. */
  stock: IStock | null;
}

export interface IStock {
  free: number;
  total: number;
  /** Whether all of them are. */
  isSimulated: boolean;
}

/** Besides the canonical choices, what `current` asks for is one, even if there is no such GPU. */
export function choicesFor(nodes: readonly NodeView[], current: string): IChoice[] {
  const choices = [plain(LOCAL), plain(CPU), plain(ANY), ...models(nodes)];
  const isListed = choices.some(choice => choice.wanted === canonical(current));
  return current === LOCAL || isListed ? choices : [...choices, { ...plain(canonical(current)), ...readSpec(current) }];
}

function models(nodes: readonly NodeView[]): IChoice[] {
  const groups = groupGpus(nodes).filter(group => group.isConnected);
  const names = [...new Set(groups.map(group => group.model))].sort();
  return names.flatMap(model => {
    const those = groups.filter(group => group.model === model);
    const stock = {
      free: sum(those.map(group => group.total - group.used - group.troubled)),
      total: sum(those.map(group => group.total)),
      isSimulated: those.every(group => group.simulated)
    };
    const most = Math.max(...those.map(group => group.total));
    return counts(most).map(count => ({
      wanted: canonical(`${model}:${count}`),
      models: [model],
      count,
      stock: count === 1 ? stock : null
    }));
  });
}

/** 1, 2, 4, 8 and so on, and as many as one host has. */
function counts(most: number): number[] {
  const found = [];
  for (let count = 1; count < most; count *= 2) {
    found.push(count);
  }
  return [...found, most];
}

function plain(wanted: string): IChoice {
  return { wanted, models: [], count: 1, stock: null };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((one, other) => one + other, 0);
}
