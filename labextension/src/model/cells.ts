/** The run of a cell: the newest that was sent from the cell with its id, in a notebook that is this one. Pure. */

import type { INamedNotebook } from '../api/notebooks';
import type { RunView } from '../api/types';
import type { IFleetModel } from '../tokens';

export class CellRuns {
  constructor(private readonly _fleet: IFleetModel) {
    _fleet.changed.connect(this._forget, this);
  }

  /** The run of the cell with this id; `isMine` says whether a run's name for its notebook means the cell's. */
  runOf(cell: string, isMine: (notebook: string) => boolean): RunView | undefined {
    this._byCell ??= byCell(this._own());
    return this._byCell.get(cell)?.find(run => isMine(run.notebook));
  }

  dispose(): void {
    this._fleet.changed.disconnect(this._forget, this);
  }

  /** What others run from a notebook with the same name and cells is not this cell's, though an admin is told of it. */
  private _own(): RunView[] {
    const { runs, user } = this._fleet;
    return runs.filter(run => (run.owner ?? '') === user);
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

/** Which names that kernels have for their notebooks mean which document of this server. */
export class NotebookNames {
  /** `ask` asks the server, and `onAnswer` is told that more is known now. */
  constructor(
    private readonly _ask: (name: string) => Promise<INamedNotebook>,
    private readonly _onAnswer: () => void
  ) {}

  /**
   * Whether `name` means the document at `path`; null while that is not known. Cells of a copied notebook have the same
   * ids: only where the other file is gone, it was renamed.
   */
  means(name: string, path: string): boolean | null {
    if (!name.startsWith('/')) {
      return true;
    }
    const known = this._find(name);
    return known ? known.path === path || !known.exists : null;
  }

  /** Whether `name` is that of the document at `path`, as far as is known: for what has no cell by which to tell. */
  isOf(name: string, path: string): boolean {
    return name.startsWith('/') ? this._find(name)?.path === path : name === path;
  }

  /** A document was renamed: what was answered may hold no more. */
  forget(): void {
    this._known = new Map(); // a late answer goes where nobody looks any more
    this._onAnswer();
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
        this._onAnswer();
      },
      () => asked.delete(name)
    );
    return null;
  }

  private _known = new Map<string, INamedNotebook | null>();
}
