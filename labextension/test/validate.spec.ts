import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readMessage } from '../src/api/validate';

test('a message that is known is read', () => {
  assert.deepEqual(readMessage('{"type":"up"}'), { type: 'up' });
  assert.equal(readMessage('{"type":"fleet","whole":true}')?.type, 'fleet');
});

test('a message of a newer server is passed over', () => {
  assert.equal(readMessage('{"type":"sideways"}'), null);
  assert.equal(readMessage('{"type":"toString"}'), null);
});

test('what is no message is an error', () => {
  for (const text of ['', 'null', '7', '{}', '{"type":7}', '{"type":"down"}', '{"type":"fleet","runs":7}']) {
    assert.throws(() => readMessage(text), text);
  }
  assert.throws(() => readMessage(new ArrayBuffer(2)));
});
