import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Bounds } from '../src/model/bounds';
import type { ShownFrame } from '../src/model/following';
import { Replay } from '../src/model/replay';
import { markIn } from '../src/model/statusline';
import { message, Outputs, run, said } from './outputs';

const display = (text: string, id?: string, kind = 'display_data'): ShownFrame =>
  message(kind, { data: { 'text/plain': text }, metadata: {}, transient: id === undefined ? {} : { display_id: id } });

function replayed(...frames: ShownFrame[]): { outputs: Outputs; replay: Replay } {
  const outputs = new Outputs();
  const replay = new Replay(outputs, run());
  replay.take(frames);
  return { outputs, replay };
}

const LINE = 'running on CPU · run r-1';

test('text is joined by stream, and stands where it was said', () => {
  const { outputs } = replayed(said('a'), said('b'), said('!', 'stderr'), display('plot'), said('c'));
  assert.deepEqual(outputs.texts, [LINE, 'ab', '!', 'plot', 'c']);
});

test('a display is updated in every place where it is shown', () => {
  const again = replayed(display('1', 'd'), said('x'), display('2', 'd'));
  assert.deepEqual(again.outputs.texts, [LINE, '2', 'x', '2']);
  const { outputs } = replayed(display('1', 'd'), said('x'), display('1', 'd'), display('2', 'd', 'update_display_data'));
  assert.deepEqual(outputs.texts, [LINE, '2', 'x', '2']);
  assert.equal('transient' in outputs.list[1], false);
});

test('an update of a display that was cleared is shown nowhere', () => {
  const clear = message('clear_output', { wait: false });
  const { outputs } = replayed(display('1', 'd'), clear, said('x'), display('2', 'd', 'update_display_data'));
  assert.deepEqual(outputs.texts, ['x']);
});

test('what is to be cleared stays until something else comes', () => {
  const wait = message('clear_output', { wait: true });
  assert.deepEqual(replayed(said('a'), wait).outputs.texts, [LINE, 'a']);
  assert.deepEqual(replayed(said('a'), wait, said('b'), said('c')).outputs.texts, ['bc']);
});

test('the line above says the state, and in the end that all is shown', () => {
  const outputs = new Outputs();
  const replay = new Replay(outputs, run());
  replay.see(run());
  replay.take([said('x')]);
  assert.equal(markIn(outputs.list), null);
  replay.see(run({ state: 'ended', outcome: 'ok', started: 10, ended: 22 }));
  assert.deepEqual(outputs.texts, ['CPU · 12 s · run r-1', 'x']);
  assert.deepEqual(markIn(outputs.list), { run: 'r-1', state: 'ended' });
});

test('a line that the run has cleared comes again only in the end', () => {
  const outputs = new Outputs();
  const replay = new Replay(outputs, run());
  replay.see(run());
  replay.take([message('clear_output', {}), said('x')]);
  replay.see(run({ why: 'the link is down' }));
  assert.deepEqual(outputs.texts, ['x']);
  replay.see(run({ state: 'ended', outcome: 'ok' }));
  assert.equal(outputs.length, 2);
});

test('a bad end says its reason, as text and never as markup', () => {
  const outputs = new Outputs();
  new Replay(outputs, run()).see(run({ state: 'ended', outcome: 'lost', reason: { code: 'x', message: '<b>gone</b>' } }));
  const data = outputs.list[0].data as Record<string, string>;
  assert.match(data['text/plain'], /^lost: <b>gone<\/b> · CPU · run r-1$/);
  assert.equal(data['text/html'].includes('<b>'), false);
});

test('an error is shown unless its text was', () => {
  const error = message('error', { ename: 'ValueError', evalue: '', traceback: [] });
  assert.deepEqual(replayed(error).outputs.texts, [LINE, 'ValueError']);
  assert.equal(replayed(message('error', { ename: 'X' }, { farcell_shown: true })).outputs.length, 1);
});

test('values show nothing, and their names are known', () => {
  const value = (name: string, status = 'value'): ShownFrame => ({ type: 'value', name, status });
  const { outputs, replay } = replayed(value('x'), value('x'), value('_'), value('y', 'deleted'), value('m', 'module'), { type: 'piece' });
  assert.deepEqual(outputs.texts, [LINE]);
  assert.deepEqual(replay.names, ['x']);
});

test('a flood is shown by its beginning and its end', () => {
  const outputs = new Outputs();
  const limits = { headChars: 4, headLines: 100, tailChars: 6, tailLines: 2 };
  const replay = new Replay(outputs, run(), new Bounds(limits));
  ['abcd', 'x'.repeat(20), 'end\n'].forEach(text => replay.take([said(text)]));
  replay.take([{ type: 'end', outcome: 'ok', execution_count: 3 }]);
  assert.deepEqual(outputs.texts, [LINE, 'abcd', '[18 characters more: the panel, or %gpu logs, shows all]', 'xxend\n']);
  assert.equal(replay.executionCount, 3);
});

test('a line that is written over counts once', () => {
  const bounds = new Bounds({ headChars: 10, headLines: 9, tailChars: 1, tailLines: 1 });
  for (let step = 0; step < 100; step += 1) {
    assert.equal(bounds.shows(`\rstep ${step % 10}`), true);
  }
});
