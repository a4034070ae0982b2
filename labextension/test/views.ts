import type { RunView } from '../src/api/types';

/** A run of a cell of `a.ipynb`. */
export const runView = (id: string, more: Partial<RunView> = {}): RunView => ({
  run: id,
  session: 's-1',
  state: 'running',
  title: 'fit()',
  gpu: 'H100',
  notebook: 'a.ipynb',
  cell_id: '',
  created: 0,
  ...more
});
