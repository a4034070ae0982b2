import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { DeviceView, NodeView, SessionView } from '../src/api/types';
import { FleetModel } from '../src/model/fleet';
import { groupGpus, holders, notesOf, queue } from '../src/model/gpus';
import { arrange, sessionName } from '../src/model/running';
import { runView as run } from './views';

const device = (index: number, more: Partial<DeviceView> = {}): DeviceView => ({
  device: `d-${index}`,
  node: 'n-1',
  model: 'H100',
  index,
  ...more
});
const node = (devices: DeviceView[], more: Partial<NodeView> = {}): NodeView => ({
  node: 'n-1',
  name: 'far',
  state: 'connected',
  embedded: true,
  last_seen: 0,
  devices,
  ...more
});
const session = (id: string, more: Partial<SessionView> = {}): SessionView => ({
  session: id,
  name: '',
  notebook: 'a.ipynb',
  gpu: 'H100',
  state: 'ready',
  created: 0,
  ...more
});

test('what changed takes the place of what was, and what ended leaves', () => {
  const model = new FleetModel();
  let changes = 0;
  model.changed.connect(() => changes++);
  assert.equal(model.isLoaded, false);
  model.take({ type: 'fleet', whole: true, nodes: [node([device(0)])], sessions: [session('s-1')], runs: [run('r-1')] });
  assert.equal(model.isLoaded, true);
  model.take({ type: 'fleet', runs: [run('r-1', { state: 'ended' })], sessions: [session('s-1', { state: 'ended' })] });
  assert.deepEqual(
    model.runs.map(one => one.state),
    ['ended']
  );
  assert.deepEqual(model.sessions, []);
  assert.equal(model.nodes.length, 1);
  model.take({ type: 'fleet', whole: true });
  assert.deepEqual([model.nodes, model.sessions, model.runs], [[], [], []]);
  assert.equal(changes, 3);
});

test('the oldest ended runs are forgotten, living ones never', () => {
  const model = new FleetModel();
  const ended = Array.from({ length: 300 }, (_, n) => run(`r-${n}`, { state: 'ended', created: n + 1 }));
  model.take({ type: 'fleet', whole: true, runs: [run('r-old'), ...ended] });
  assert.equal(model.runs.length, 201);
  assert.equal(model.runs[0].run, 'r-old');
  assert.equal(model.runs[1].run, 'r-100');
});

test('gpus are counted by model, and simulated ones apart', () => {
  const groups = groupGpus([
    node([
      device(0, { session: 's-1' }),
      device(1),
      device(2, { simulated: true }),
      device(3, { model: 'A100', trouble: 'fell off the bus' })
    ])
  ]);
  assert.deepEqual(
    groups.map(group => [group.model, group.simulated, group.total, group.used, group.troubled]),
    [
      ['H100', false, 2, 1, 0],
      ['H100', true, 1, 0, 0],
      ['A100', false, 1, 0, 1]
    ]
  );
});

test('the queue is in the order of places', () => {
  const runs = [
    run('r-2', { state: 'queued', place: 2 }),
    run('r-1', { state: 'queued', place: 1 }),
    run('r-cpu', { state: 'queued', gpu: 'cpu', place: 1 }),
    run('r-3')
  ];
  assert.deepEqual(
    queue(runs).map(one => one.run),
    ['r-1', 'r-2']
  );
});

test("this notebook's sessions come first, then those with work, then the newest", () => {
  const sessions = [
    session('s-idle', { notebook: 'b.ipynb', created: 1 }),
    session('s-newer', { notebook: 'b.ipynb', created: 2 }),
    session('s-busy', { notebook: 'c.ipynb' }),
    session('s-here', { notebook: '/home/u/deep/a.ipynb' })
  ];
  const runs = [
    run('r-2', { session: 's-busy', state: 'queued' }),
    run('r-1', { session: 's-busy', created: 5 }),
    run('r-0', { session: 's-busy', state: 'ended' })
  ];
  const found = arrange(sessions, runs, name => name === '/home/u/deep/a.ipynb');
  assert.deepEqual(
    found.map(one => one.session.session),
    ['s-here', 's-busy', 's-newer', 's-idle']
  );
  assert.deepEqual(
    found[1].runs.map(one => one.run),
    ['r-1', 'r-2']
  );
});

test('a session is called as a person named it, else as its notebook', () => {
  assert.equal(sessionName(session('s-1', { notebook: '/home/u/a.ipynb' })), 'a.ipynb');
  assert.equal(sessionName(session('s-1', { name: 'big', notebook: 'a.ipynb' })), 'big');
});

test('who uses GPUs is named once each, as far as one may see it', () => {
  const devices = [device(0, { session: 's-1' }), device(1, { session: 's-1' }), device(2, { session: 's-9' })];
  assert.deepEqual(holders(groupGpus([node(devices)])[0], [session('s-1', { name: 'sweep' })]), ['sweep']);
});

test('a host says why it has no GPU, but not beside simulated ones', () => {
  const notes = ['no driver'];
  assert.deepEqual(notesOf([node([], { notes })]), [{ node: 'far', note: 'no driver' }]);
  assert.deepEqual(notesOf([node([device(0, { simulated: true })], { notes })]), []);
});
