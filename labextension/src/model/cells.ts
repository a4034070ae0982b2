/** The run of a cell: the newest that was sent from the cell with its id, in a notebook that is this one. Pure. */

import { ISignal, Signal } from '@lumino/signaling';

import type { INamedNotebook } from '../api/notebooks';
import type { RunView } from '../api/types';
import type { IFleetModel, INotebookNames } from '../tokens';

export class CellRuns {
  constructor(private readonly _fleet: IFleetModel) {
    _fleet.changed.connect(this._forget, this);
  }

  /** The run of the cell with this id; `isMine` says whether a run's name for its notebook means the cell's. */
  runOf(cell: string, isMine: (notebook: string) => boolean): RunView | undefined {
    this._byCell ??= byCell(ownRuns(this._fleet));
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

/** One's own runs: what others run from a notebook with the same name and cells is not this one's, though an admin is told. */
export function ownRuns({ runs, user }: Pick<IFleetModel, 'runs' | 'user'>): RunView[] {
  return runs.filter(run => (run.owner ?? '') === user);
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

/** Which names that kernels have for their notebooks mean which document of this server. */
export class NotebookNames implements INotebookNames {
  constructor(private readonly _ask: (name: string) => Promise<INamedNotebook>) {}

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Cells of a copied notebook have the same ids: only where the other file is gone, it was renamed. */
  means(name: string, path: string): boolean | null {
    if (!name.startsWith('/')) {
      return true;
    }
    const known = this._find(name);
    return known ? known.path === path || !known.exists : null;
  }

  isOf(name: string, path: string): boolean {
    return name.startsWith('/') ? this._find(name)?.path === path : name === path;
  }

  /** A document was renamed: what was answered may hold no more. */
  forget(): void {
    this._known = new Map(); // a late answer goes where nobody looks any more
    this._changed.emit();
  }

  private _find(name: string): INamedNotebook | null {
    const known = this._known.get(name);
    if (known !== undefined) {
      return known;
    }
    const asked = this._known;
    asked.set(name, null);
    this._ask(name).then(
      found => {
        asked.set(name, found);
        this._changed.emit();
      },
      () => asked.delete(name)
    );
    return null;
  }

  private readonly _changed = new Signal<this, void>(this);
  private _known = new Map<string, INamedNotebook | null>();
}
