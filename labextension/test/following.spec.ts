import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { FromBrowser, RunView } from '../src/api/types';
import { Following, ShownFrame } from '../src/model/following';

const said = (text: string): ShownFrame => ({ type: 'message', msg_type: 'stream', content: { name: 'stdout', text } });
const piece: ShownFrame = { type: 'piece' };

function begin(): { following: Following; asked: FromBrowser[] } {
  const asked: FromBrowser[] = [];
  return { following: new Following(message => void asked.push(message)), asked };
}

function follower(): { numbers: number[]; onFrames: (first: number, frames: readonly ShownFrame[]) => void } {
  const numbers: number[] = [];
  return { numbers, onFrames: (first, frames) => frames.forEach((_, index) => numbers.push(first + index)) };
}

test('after a broken link, a run is asked for from the last frame that came', () => {
  const { following, asked } = begin();
  const one = follower();
  following.follow('r-1', 0, one);
  following.take({ type: 'frames', run: 'r-1', first: 1, frames: [said('a'), said('b')] });
  following.linkUp();
  following.take({ type: 'frames', run: 'r-1', first: 2, frames: [said('b'), said('c')] });
  assert.deepEqual(asked, [
    { type: 'follow', run: 'r-1', after: 0 },
    { type: 'follow', run: 'r-1', after: 2 }
  ]);
  assert.deepEqual(one.numbers, [1, 2, 3]);
});

test('two followers of one run each get every frame once', () => {
  const { following, asked } = begin();
  const [one, other] = [follower(), follower()];
  following.follow('r-1', 0, one);
  following.take({ type: 'frames', run: 'r-1', first: 1, frames: [said('a'), said('b')] });
  following.follow('r-1', 1, other);
  following.take({ type: 'frames', run: 'r-1', first: 2, frames: [said('b'), said('c')] });
  assert.deepEqual(asked.at(-1), { type: 'follow', run: 'r-1', after: 1 });
  assert.deepEqual([one.numbers, other.numbers], [[1, 2, 3], [2, 3]]);
});

test('a message of which only a part came is asked for from its first part', () => {
  const { following, asked } = begin();
  following.follow('r-1', 0, follower());
  following.take({ type: 'frames', run: 'r-1', first: 1, frames: [said('a'), piece, piece] });
  following.linkUp();
  assert.deepEqual(asked.at(-1), { type: 'follow', run: 'r-1', after: 1 });
});

test('the last follower to leave ends the following, and once', () => {
  const { following, asked } = begin();
  const leave = following.follow('r-1', 0, follower());
  leave();
  leave();
  assert.deepEqual(asked.slice(1), [{ type: 'unfollow', run: 'r-1' }]);
});

test('a run that has ended is not asked for again', () => {
  const { following, asked } = begin();
  const states: string[] = [];
  following.follow('r-1', 0, { onFrames: () => undefined, onChanged: run => states.push(run.state) });
  following.take({ type: 'changed', view: { run: 'r-1', state: 'ended' } as RunView });
  following.linkUp();
  assert.deepEqual(states, ['ended']);
  assert.equal(asked.length, 1);
});

test('a run that cannot be followed is told of once, and a refused interrupt is no such thing', () => {
  const { following } = begin();
  const codes: string[] = [];
  following.follow('r-1', 0, { onFrames: () => undefined, onRefused: error => codes.push(error.code) });
  following.take({ type: 'refused', run: 'r-1', error: { code: 'unavailable', message: '' } });
  following.take({ type: 'refused', run: 'r-1', error: { code: 'not-found', message: '' } });
  following.take({ type: 'refused', run: 'r-1', error: { code: 'not-found', message: '' } });
  assert.deepEqual(codes, ['not-found']);
});
