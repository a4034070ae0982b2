import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { INotebook } from '../src/model/filling';
import { FleetModel } from '../src/model/fleet';
import { Reattaching } from '../src/model/reattach';
import { Outputs, run } from './outputs';

test('a newer run of a copy, whose cells have the same ids, keeps no cell from its own', () => {
  const fleet = new FleetModel();
  const followed: string[] = [];
  const outputs = new Outputs();
  const cell = { id: 'c1', source: 'work()', isOwned: false, outputs, mark: null, show: () => undefined, reset: () => undefined };
  const original: INotebook = { cell: () => cell, isMine: name => name === 'original', kernelIsFree: true };
  const far = { fleet, follow: (id: string) => (followed.push(id), () => undefined) };
  const seen = { has: () => false, add: () => undefined };
  const reattaching = new Reattaching(far, original, seen, { now: () => 0, after: () => () => undefined });
  const [own, other] = [run({ notebook: 'original', created: 1 }), run({ run: 'r-2', notebook: 'copy', created: 2 })];
  fleet.take({ type: 'fleet', whole: true, runs: [own, other] });
  reattaching.look();
  assert.deepEqual(followed, ['r-1']);
});
