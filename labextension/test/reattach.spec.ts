import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { RunView, ToBrowser } from '../src/api/types';
import type { ICell, INotebook } from '../src/model/filling';
import { FleetModel } from '../src/model/fleet';
import { Following } from '../src/model/following';
import { Reattaching } from '../src/model/reattach';
import { IMark, markIn } from '../src/model/statusline';
import { Outputs, run, said } from './outputs';

class Cell implements ICell {
  readonly outputs = new Outputs();
  isOwned = false;
  isRunning = false;
  count: number | null = null;
  constructor(
    readonly id: string,
    readonly source = '%%gpu\nwork()'
  ) {}
  get mark(): IMark | null {
    return markIn(this.outputs.list);
  }
  show(isRunning: boolean, count: number | null = null): void {
    this.isRunning = isRunning;
    this.count = count;
  }
  reset(): void {
    this.outputs.clear();
  }
}

/** A page with one cell, before an executor that is played by the test. */
class Page implements INotebook {
  readonly cellOne = new Cell('c1');
  readonly fleet = new FleetModel();
  readonly following = new Following(message => void this.asked.push(JSON.stringify(message)));
  readonly asked: string[] = [];
  readonly seen = new Set<string>();
  kernelIsFree = true;
  place: boolean | null = true;
  isGone = false;
  time = 0;
  pass: () => void = () => undefined;
  readonly reattaching = new Reattaching(
    { fleet: this.fleet, follow: (id, after, follower) => this.following.follow(id, after, follower) },
    this,
    this.seen,
    { now: () => this.time, after: (ms, act) => ((ms < 1000 ? act() : (this.pass = act)), () => undefined) }
  );
  cell(id: string): ICell | undefined {
    return id === 'c1' && !this.isGone ? this.cellOne : undefined;
  }
  isMine(): boolean | null {
    return this.place;
  }
  /** The executor says what there is. */
  tell(...runs: RunView[]): void {
    this.fleet.take({ type: 'fleet', whole: !this.fleet.isLoaded, runs });
    this.reattaching.look();
  }
  hear(message: ToBrowser): void {
    this.following.take(message);
  }
  frames(first: number, ...texts: string[]): void {
    this.hear({ type: 'frames', run: 'r-1', first, frames: texts.map(text => said(text)) });
  }
  end(first: number, ...names: string[]): void {
    const values = names.map(name => ({ type: 'value' as const, name, status: 'value' }));
    const frames = [...values, { type: 'end' as const, outcome: 'ok' as const, execution_count: 7 }];
    this.hear({ type: 'frames', run: 'r-1', first, frames });
    this.hear({ type: 'changed', view: ended });
  }
  /** A kernel has told this page of the run, and answers while it still runs. */
  answeredByKernel(): void {
    this.reattaching.scheduled('c1');
    this.cellOne.isOwned = true;
    this.tell(run());
    this.cellOne.isOwned = false;
    this.reattaching.answered('c1');
    this.tell(run({ why: 'still' }));
  }
  get texts(): unknown[] {
    return this.cellOne.outputs.texts;
  }
}

const ended = run({ state: 'ended', outcome: 'ok' });
const FOLLOW = '{"type":"follow","run":"r-1","after":0}';
const QUIET = 'CPU · run r-1';

test('a living run fills its cell from its first frame to its end', () => {
  const page = new Page();
  page.cellOne.outputs.add({ output_type: 'stream', name: 'stdout', text: 'saved half' });
  page.tell(run());
  assert.deepEqual(page.asked, [FOLLOW]);
  page.hear({ type: 'changed', view: run() });
  page.frames(1, 'a', 'b');
  assert.equal(page.cellOne.isRunning, true);
  page.frames(2, 'b', 'c');
  page.end(4);
  assert.deepEqual(page.texts, [QUIET, 'abc']);
  assert.deepEqual([page.cellOne.isRunning, page.cellOne.count], [false, 7]);
  page.tell(ended);
  assert.equal(page.asked.length, 1);
});

test('a run is seen once the notebook is saved with its end', () => {
  const page = new Page();
  page.tell(run());
  page.reattaching.saving()();
  const saved = page.reattaching.saving();
  page.end(1);
  saved();
  assert.equal(page.seen.has('r-1'), false);
  page.reattaching.saving()();
  assert.equal(page.seen.has('r-1'), true);
});

test('what there was already is shown at once, and what comes then as it comes', () => {
  const page = new Page();
  page.cellOne.outputs.add({ output_type: 'stream', name: 'stdout', text: 'saved half' });
  page.tell(run());
  page.hear({ type: 'changed', view: run({ frames: 3 }) });
  page.frames(1, 'a', 'b');
  assert.deepEqual([page.texts, page.cellOne.isRunning], [['saved half'], true]);
  page.frames(3, 'c');
  assert.deepEqual(page.texts, ['running on CPU · run r-1', 'abc']);
  page.frames(4, 'd');
  assert.deepEqual(page.texts, ['running on CPU · run r-1', 'abcd']);
});

test('what is saved stays until the log speaks', () => {
  const page = new Page();
  page.cellOne.outputs.add({ output_type: 'stream', name: 'stdout', text: 'saved half' });
  page.tell(run());
  assert.deepEqual(page.texts, ['saved half']);
  page.hear({ type: 'refused', run: 'r-1', error: { code: 'pruned', message: 'gone' } });
  assert.deepEqual(page.texts, ['saved half']);
});

test('a cell into which a kernel speaks is left to it, until that kernel is gone', () => {
  const page = new Page();
  page.reattaching.scheduled('c1');
  page.cellOne.isOwned = true;
  page.tell(run());
  assert.deepEqual(page.asked, []);
  page.cellOne.isOwned = false;
  page.reattaching.kernelLost();
  assert.deepEqual(page.asked, [FOLLOW]);
  page.hear({ type: 'changed', view: run() });
  page.end(1, 'x');
  assert.equal(page.texts[1], 'x: not in this kernel yet; %gpu attach r-1 binds it');
});

test('a run that a kernel has shown to this page is not shown again', () => {
  const page = new Page();
  page.answeredByKernel();
  page.tell(ended);
  page.pass();
  page.reattaching.saving()();
  assert.deepEqual([page.asked, page.seen.has('r-1')], [[], true]);
});

test('a run whose end the saved outputs show is not shown again', () => {
  const page = new Page();
  const mark = { farcell: { run: 'r-1', state: 'ended' } };
  page.cellOne.outputs.add({ output_type: 'display_data', data: {}, metadata: mark });
  page.tell(ended);
  assert.deepEqual(page.asked, []);
});

test('a cell that was left behind on purpose is live at once', () => {
  const page = new Page();
  page.answeredByKernel();
  assert.deepEqual(page.asked, []);
  const mark = { farcell: { run: 'r-1', state: 'left' } };
  page.cellOne.outputs.add({ output_type: 'display_data', data: {}, metadata: mark });
  page.reattaching.look();
  assert.deepEqual(page.asked, [FOLLOW]);
});

test('the run of an earlier execution does not come back', () => {
  const page = new Page();
  page.tell(run());
  page.reattaching.scheduled('c1');
  page.reattaching.look();
  page.frames(1, 'late');
  assert.deepEqual(page.texts, []);
  assert.deepEqual(page.asked, [FOLLOW, '{"type":"unfollow","run":"r-1"}']);
});

test('only the newest run of a cell fills it', () => {
  const page = new Page();
  page.tell(run({ run: 'r-0', created: 0 }), run());
  assert.deepEqual(page.asked, [FOLLOW]);
});

test('an ended run fills no cell that says something else by now', () => {
  const page = new Page();
  page.tell({ ...ended, title: 'other()' });
  assert.deepEqual(page.asked, []);
  page.tell({ ...ended, title: 'work()' });
  assert.deepEqual(page.asked, [FOLLOW]);
});

test('what another user has run fills no cell', () => {
  const page = new Page();
  page.tell(run({ owner: 'somebody' }));
  assert.deepEqual(page.asked, []);
});

test('a copy of the notebook is not the notebook', () => {
  const page = new Page();
  page.place = null;
  page.tell(run());
  page.place = false;
  page.reattaching.look();
  assert.deepEqual(page.asked, []);
});

test('a cell that is gone is followed no further, and again when it is back', () => {
  const page = new Page();
  page.tell(run());
  page.isGone = true;
  page.reattaching.look();
  page.isGone = false;
  page.reattaching.look();
  assert.deepEqual(page.asked, [FOLLOW, '{"type":"unfollow","run":"r-1"}', FOLLOW]);
});

test('names that no kernel waits for are said, quietly', () => {
  const page = new Page();
  page.tell(run());
  page.hear({ type: 'changed', view: run() });
  page.time += 10_000;
  page.end(1, 'x', 'y');
  assert.equal(page.texts[1], 'x, y: not in this kernel yet; %gpu attach r-1 binds them');
});

test('nothing is said of names that the kernel of before waits for', () => {
  const page = new Page();
  page.kernelIsFree = false;
  page.tell(run());
  page.hear({ type: 'changed', view: run() });
  page.time += 10_000;
  page.end(1, 'x');
  page.kernelIsFree = true;
  assert.deepEqual(page.texts, [QUIET]);
});

test('of names that came home unseen nobody knows whether the kernel is the same', () => {
  const page = new Page();
  page.tell(ended);
  page.end(1, 'x');
  assert.equal(page.texts[1], 'x: not in a kernel that was started since; %gpu attach r-1 binds it');
});

test('the stop button is passed on where the kernel does not', () => {
  const page = new Page();
  page.kernelIsFree = false;
  page.tell(run());
  page.hear({ type: 'changed', view: run() });
  assert.deepEqual(page.reattaching.unreached, []);
  page.kernelIsFree = true;
  assert.deepEqual(page.reattaching.unreached, ['r-1']);
  page.end(1);
  assert.deepEqual(page.reattaching.unreached, []);
});
