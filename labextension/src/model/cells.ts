/** The run of a cell: the newest that was sent from the cell with its id, in a notebook that is this one. */

import type { RunView } from '../api/types';
import type { IFleetModel } from '../tokens';

export class CellRuns {
  constructor(private readonly _fleet: IFleetModel) {
    _fleet.changed.connect(this._forget, this);
  }

  /** The run of the cell with this id; `isMine` says whether a run's name for its notebook means the cell's. */
  runOf(cell: string, isMine: (notebook: string) => boolean): RunView | undefined {
    this._byCell ??= byCell(this._fleet.runs);
    return this._byCell.get(cell)?.find(run => isMine(run.notebook));
  }

  dispose(): void {
    this._fleet.changed.disconnect(this._forget, this);
  }

  private _forget(): void {
    this._byCell = null;
  }

  private _byCell: ReadonlyMap<string, readonly RunView[]> | null = null;
}

/** The runs of each cell, the newest first. `runs` begin with the oldest. */
export function byCell(runs: readonly RunView[]): Map<string, RunView[]> {
  const found = new Map<string, RunView[]>();
  for (const run of runs) {
    if (run.cell_id !== '') {
      found.set(run.cell_id, [run, ...(found.get(run.cell_id) ?? [])]);
    }
  }
  return found;
}
