import assert from 'node:assert/strict';
import { test } from 'node:test';

import { canonical, changeTo, readSpec, wantedBy } from '../src/model/magic';

/** A cell's text after it was made to ask for `wanted`. */
const changed = (source: string, wanted: string): string => {
  const edit = changeTo(source, wanted);
  return edit === null ? source : source.slice(0, edit.start) + edit.text + source.slice(edit.end);
};

test('a cell asks for what its first line says, as the executor writes it', () => {
  assert.equal(wantedBy('fit()'), 'local');
  assert.equal(wantedBy('%%gpu\nfit()'), 'any');
  assert.equal(wantedBy('%%gpu h100:2 --session x\nfit()'), 'H100:2');
  assert.equal(wantedBy('\n \n%%gpu --session x A100,H100 # both are good\nfit()'), 'A100,H100');
  assert.equal(wantedBy('%%gpu --session H100\n'), 'any');
  assert.equal(wantedBy('%%gpu # H100\n'), 'any');
  assert.equal(wantedBy('%%local\nfit()'), 'local');
});

test('what only looks like the magic is none', () => {
  assert.equal(wantedBy('%%gpus\n'), 'local');
  assert.equal(wantedBy('%%gpu?'), 'local');
  assert.equal(wantedBy('%gpu use H100'), 'local');
  assert.equal(wantedBy('x = 1\n%%gpu'), 'local');
});

test('a magic is put above what there is, changed, and taken away', () => {
  assert.equal(changed('fit()', 'H100:2'), '%%gpu H100:2\nfit()');
  assert.equal(changed('', 'any'), '%%gpu\n');
  assert.equal(changed('%%gpu H100\nfit()', 'A100'), '%%gpu A100\nfit()');
  assert.equal(changed('%%gpu\nfit()', 'cpu'), '%%gpu cpu\nfit()');
  assert.equal(changed('%%gpu H100\nfit()', 'any'), '%%gpu\nfit()');
  assert.equal(changed('%%gpu H100 --once\r\nfit()', 'local'), 'fit()');
  assert.equal(changed('%%gpu', 'local'), '');
  assert.equal(changed('%%local\nfit()', 'H100'), '%%gpu H100\nfit()');
});

test('options and remarks stay where they are', () => {
  assert.equal(changed("%%gpu --session 'my own' H100 --once # why\nfit()", 'A100'), "%%gpu --session 'my own' A100 --once # why\nfit()");
  assert.equal(changed('%%gpu H100 --timeout=10m\nfit()', 'any'), '%%gpu --timeout=10m\nfit()');
  assert.equal(changed('%%gpu --session x\nfit()', 'L4'), '%%gpu L4 --session x\nfit()');
  assert.equal(changed('%%gpu # why\nfit()', 'L4'), '%%gpu L4 # why\nfit()');
});

test('nothing is changed where that is asked for already', () => {
  assert.equal(changeTo('%%gpu h100:1\n', 'H100'), null);
  assert.equal(changeTo('%%gpu any\n', 'any'), null);
  assert.equal(changeTo('%%local\nfit()', 'local'), null);
  assert.equal(changeTo('fit()', 'local'), null);
});

test('equal specifications have one form', () => {
  assert.equal(canonical('a100:2,h100'), 'A100:2,H100:2');
  assert.equal(canonical('CPU'), 'cpu');
  assert.equal(canonical('Any:2'), 'any:2');
  assert.equal(canonical('H100:x'), 'H100:x');
  assert.deepEqual(readSpec('A100:2,H100'), { models: ['A100', 'H100'], count: 2 });
});
