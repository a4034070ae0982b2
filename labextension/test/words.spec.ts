import assert from 'node:assert/strict';
import { test } from 'node:test';

import { duration, size } from '../src/model/words';

test('durations are short and never negative', () => {
  assert.deepEqual(
    [-3, 0, 59.9, 60, 125, 3600, 3725, 172_800, 180_000].map(duration),
    ['0 s', '0 s', '59 s', '1:00', '2:05', '1:00:00', '1:02:05', '2 d 0 h', '2 d 2 h']
  );
});

test('sizes are in the units of memory', () => {
  assert.deepEqual([0, 1023, 1536, 80 * 2 ** 30, 2 ** 50].map(size), ['0 B', '1023 B', '1.5 KiB', '80 GiB', '1024 TiB']);
});
