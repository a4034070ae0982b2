import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { RunView } from '../src/api/types';
import { byCell, CellRuns, NotebookNames } from '../src/model/cells';
import { FleetModel } from '../src/model/fleet';
import { devicesText, headerOf, ICellNow } from '../src/model/header';
import { runView } from './views';

const H100 = { device: 'd-1', node: 'n-1', model: 'H100', index: 0, simulated: true };
const run = (id: string, more: Partial<RunView> = {}): RunView => runView(id, { cell_id: 'c-1', created: 10, ...more });
const cell = (more: Partial<ICellNow> = {}): ICellNow => ({
  source: '%%gpu H100\nfit()',
  executionCount: null,
  wasInterrupted: false,
  sending: null,
  ...more
});
const worker = { worker: 'w-1', node: 'n-1', node_name: 'far', devices: [H100] };

test('a cell that has never run says what it asks for', () => {
  assert.deepEqual(headerOf(cell(), undefined), {
    standing: 'new',
    gpu: 'H100',
    devices: [],
    isOther: false,
    why: '',
    since: null,
    until: null,
    run: null,
    isLiving: false
  });
  assert.equal(headerOf(cell({ executionCount: 3 }), undefined)?.standing, 'unknown');
});

test('a cell without the magic has a header only while it runs far away', () => {
  const local = cell({ source: 'fit()' });
  assert.equal(headerOf(local, undefined), null);
  assert.equal(headerOf(local, run('r-1', { state: 'ended', outcome: 'ok' })), null);
  assert.equal(headerOf(local, run('r-1'))?.gpu, 'H100');
});

test('a living run is shown with its time, and can be stopped', () => {
  const queued = headerOf(cell(), run('r-1', { state: 'queued', why: 'no H100 is free' }));
  assert.deepEqual([queued?.standing, queued?.why, queued?.since, queued?.isLiving], ['queued', 'no H100 is free', 10, true]);
  const running = headerOf(cell(), run('r-1', { started: 12, worker }));
  assert.deepEqual([running?.standing, running?.since, running?.until, running?.devices], ['running', 12, null, [H100]]);
});

test('an ended run is shown with how it ended and how long it took, and cannot be stopped', () => {
  const over = headerOf(cell(), run('r-1', { state: 'ended', outcome: 'error', started: 12, ended: 15, worker }));
  assert.deepEqual([over?.standing, over?.since, over?.until, over?.isLiving], ['error', 12, 15, false]);
  const stopped = run('r-1', { state: 'ended', outcome: 'error', started: 12, ended: 15, worker });
  assert.equal(headerOf(cell({ wasInterrupted: true }), stopped)?.standing, 'cancelled');
  const never = headerOf(cell(), run('r-1', { state: 'ended', outcome: 'cancelled', ended: 15 }));
  assert.deepEqual([never?.standing, never?.since], ['cancelled', null]);
});

test('a magic that was changed since is told from what ran', () => {
  const over = run('r-1', { state: 'ended', outcome: 'ok', started: 12, ended: 15, worker });
  assert.equal(headerOf(cell({ source: '%%gpu h100:1\nfit()' }), over)?.isOther, false);
  assert.equal(headerOf(cell({ source: '%%gpu A100\nfit()' }), over)?.isOther, true);
});

test('from the moment it is sent, a cell is not shown as what it was before', () => {
  const before = run('r-1', { state: 'ended', outcome: 'ok' });
  const sent = cell({ sending: { before: 'r-1', isOver: false, wasSent: false } });
  assert.equal(headerOf(sent, before)?.standing, 'sent');
  assert.equal(headerOf(sent, run('r-2'))?.standing, 'running');
  const over = { before: 'r-1', isOver: true, wasSent: false };
  assert.equal(headerOf(cell({ sending: over }), before)?.standing, 'unsent');
  // The kernel may use another executor than this page.
  assert.equal(headerOf(cell({ sending: { ...over, wasSent: true } }), before)?.standing, 'unknown');
});

test('the run of a cell is the newest with its id, in its own notebook', () => {
  const runs = [run('r-1', { created: 1 }), run('r-2', { created: 2 }), run('r-3', { created: 3, notebook: 'copy.ipynb' }), run('r-4', { cell_id: '' })];
  assert.deepEqual([...byCell(runs).keys()], ['c-1']);
  const fleet = new FleetModel();
  const cells = new CellRuns(fleet);
  const isMine = (notebook: string): boolean => notebook === 'a.ipynb';
  assert.equal(cells.runOf('c-1', isMine), undefined);
  fleet.take({ type: 'fleet', whole: true, runs });
  assert.equal(cells.runOf('c-1', isMine)?.run, 'r-2');
  fleet.take({ type: 'fleet', runs: [run('r-5', { created: 5 })] });
  assert.equal(cells.runOf('c-1', isMine)?.run, 'r-5');
  assert.equal(cells.runOf('c-2', isMine), undefined);
  fleet.take({ type: 'fleet', runs: [run('r-6', { created: 6, owner: 'somebody else' })] });
  assert.equal(cells.runOf('c-1', isMine)?.run, 'r-5');
});

test('what a worker holds is counted by model', () => {
  assert.equal(devicesText([]), '');
  assert.equal(devicesText([H100]), 'H100');
  assert.equal(devicesText([H100, { ...H100, index: 1 }]), '2 × H100');
});

test('a name means a document where the server finds it there, or not at all any more', async () => {
  const places = new Map([
    ['/home/a.ipynb', { path: 'a.ipynb', exists: true }],
    ['/home/old.ipynb', { path: 'old.ipynb', exists: false }]
  ]);
  let answers = 0;
  const ask = async (name: string): Promise<{ path: string; exists: boolean }> => {
    const place = places.get(name);
    return place ?? Promise.reject(new Error('the server does not say'));
  };
  const names = new NotebookNames(ask);
  names.changed.connect(() => void answers++);
  const means = (): (boolean | null)[] =>
    ['/home/a.ipynb', '/home/old.ipynb', '/home/unknown.ipynb', 'a.ipynb'].map(name => names.means(name, 'a.ipynb'));
  assert.deepEqual(means(), [null, null, null, true]);
  await new Promise(setImmediate);
  assert.equal(answers, 2);
  assert.deepEqual(means(), [true, true, null, true]);
  assert.equal(names.means('/home/a.ipynb', 'copy.ipynb'), false);
  places.set('/home/a.ipynb', { path: 'a.ipynb', exists: false });
  names.forget();
  assert.equal(names.means('/home/a.ipynb', 'renamed.ipynb'), null);
  await new Promise(setImmediate);
  assert.equal(names.means('/home/a.ipynb', 'renamed.ipynb'), true);
});

test('a name is that of a document by its whole path alone, which the server knows', async () => {
  const names = new NotebookNames(name =>
    Promise.resolve({ path: name.replace('/home/', ''), exists: name !== '/home/gone.ipynb' })
  );
  const isOf = (): boolean[] =>
    ['/home/a.ipynb', '/home/deep/a.ipynb', '/home/gone.ipynb', 'a.ipynb'].map(name => names.isOf(name, 'a.ipynb'));
  assert.deepEqual(isOf(), [false, false, false, true]);
  await new Promise(setImmediate);
  assert.deepEqual(isOf(), [true, false, false, true]);
});
