import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { ShownFrame } from '../src/model/following';
import { Transcript } from '../src/model/transcript';

const message = (msg_type: string, content: Record<string, unknown>): ShownFrame => ({ type: 'message', msg_type, content });
const print = (text: string): ShownFrame => message('stream', { name: 'stdout', text });

function shown(...frames: ShownFrame[]): string {
  const transcript = new Transcript();
  frames.forEach(frame => transcript.take([frame]));
  return transcript.lines + transcript.line;
}

test('text is joined as it came', () => {
  assert.equal(shown(print('ste'), print('p 1\nstep'), print(' 2')), 'step 1\nstep 2');
});

test('a progress bar is its last state, also when it comes in parts', () => {
  assert.equal(shown(print('\r 10%'), print('\r 20%'), print('\r100%\n'), print('done\n')), '100%\ndone\n');
  assert.equal(shown(print('10%\r'), print('20%')), '20%');
});

test('the line end of other systems ends a line, also when it comes in two parts', () => {
  assert.equal(shown(print('a\r\nb\r'), print('\nc')), 'a\nb\nc');
});

test('results and errors are told as text, without colours', () => {
  assert.equal(
    shown(
      message('execute_result', { data: { 'text/plain': '42', 'text/html': '<b>42</b>' } }),
      message('error', { ename: 'ValueError', traceback: ['\u001b[31mValueError\u001b[0m: no'] })
    ),
    '42\nValueError: no\n'
  );
});

test('of very much text the end is kept, from the beginning of a line', () => {
  const transcript = new Transcript();
  for (let step = 0; step < 40; step += 1) {
    transcript.take([print(`${'x'.repeat(50_000)}\n`)]);
  }
  assert.ok(transcript.isCut);
  assert.ok(transcript.lines.length < 2 ** 20);
  assert.ok(transcript.lines.startsWith('x'.repeat(50_000)));
});
