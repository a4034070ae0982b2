import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { NodeView } from '../src/api/types';
import { choicesFor } from '../src/model/picker';

const node = (name: string, model: string, count: number, more: Partial<NodeView> = {}): NodeView => ({
  node: name,
  name,
  state: 'connected',
  embedded: false,
  last_seen: 0,
  devices: Array.from({ length: count }, (_, index) => ({
    device: `${name}-${index}`,
    node: name,
    model,
    index,
    session: index === 0 ? 's-1' : null
  })),
  ...more
});
const wanted = (nodes: NodeView[], current: string): string[] => choicesFor(nodes, current).map(one => one.wanted);

test('without any GPU there are still here, a CPU and any GPU', () => {
  assert.deepEqual(wanted([], 'local'), ['local', 'cpu', 'any']);
});

test('each model is offered alone and in the counts that one host can give, with what is free', () => {
  const choices = choicesFor([node('n-1', 'H100', 4), node('n-2', 'H100', 6), node('n-3', 'L4', 1)], 'local');
  assert.deepEqual(
    choices.slice(3).map(one => one.wanted),
    ['H100', 'H100:2', 'H100:4', 'H100:6', 'L4']
  );
  assert.deepEqual(choices[3].stock, { free: 8, total: 10, isSimulated: false });
  assert.equal(choices[4].stock, null);
});

test('what cannot be reached is not offered', () => {
  assert.deepEqual(wanted([node('n-1', 'H100', 1, { state: 'unknown' })], 'local'), ['local', 'cpu', 'any']);
});

test('what the cell asks for is a choice even if there is no such GPU', () => {
  assert.deepEqual(wanted([], 'a100,h100').at(-1), 'A100,H100');
  const [last] = choicesFor([node('n-1', 'H100', 1)], 'B200:2').slice(-1);
  assert.deepEqual(last, { wanted: 'B200:2', models: ['B200'], count: 2, stock: null });
  assert.deepEqual(wanted([node('n-1', 'H100', 2)], 'h100').length, 5);
});
