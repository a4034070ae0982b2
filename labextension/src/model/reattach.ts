/** Which runs a notebook's cells are filled from, and when. Knows no JupyterLab. */

import type { ITimers } from '../api/live';
import type { RunView } from '../api/types';
import type { IFar } from '../tokens';
import { byCell, ownRuns } from './cells';
import { Filling, GRACE_MS, ICell, INotebook } from './filling';

/** The runs that are settled in a saved notebook: what it shows of their cells is what a person left there. */
export interface ISeen {
  has(run: string): boolean;
  add(run: string): void;
}

/** Fills the cells of one notebook; whoever knows of a change calls `look`. */
export class Reattaching {
  constructor(
    private readonly _far: Pick<IFar, 'fleet' | 'follow'>,
    private readonly _notebook: INotebook,
    private readonly _seen: ISeen,
    private readonly _timer: ITimers
  ) {}

  /** The living runs that are shown here, to which the kernel cannot pass the stop button on. */
  get unreached(): string[] {
    const living = [...this._filling.values()].filter(one => one.isLiving).map(one => one.run);
    return this._notebook.kernelIsFree ? living : [];
  }

  /** The page is about to have this cell executed: what it ran before is not for it any more. */
  scheduled(cell: string): void {
    this._answered.delete(cell);
    this._stop(cell);
    this._runs.filter(run => run.cell_id === cell).forEach(run => this._settled.add(run.run));
  }

  /** A kernel has answered this page's request for the cell: what it said of it is shown. */
  answered(cell: string): void {
    this._answered.set(cell, false);
    this._timer.after(GRACE_MS, () => {
      if (this._answered.has(cell)) {
        this._answered.set(cell, true);
        this.look();
      }
    });
  }

  /** Something has changed. */
  look(): void {
    if (this._isDisposed || !this._far.fleet.isLoaded) {
      return;
    }
    for (const [id, filling] of this._filling) {
      filling.lookAtKernel();
      if (filling.isLost) {
        this._stop(id);
      }
    }
    for (const [id, runs] of byCell(this._runs)) {
      const cell = this._notebook.cell(id);
      // Copied notebooks have the same ids: a newer run of a copy's cell is none of this one's.
      const run = cell && runs.find(one => this._notebook.isMine(one.notebook) !== false);
      if (cell !== undefined && run !== undefined && !this._isKnown(run) && this._isWanted(cell, run)) {
        this._fill(cell, run);
      }
    }
  }

  /** The kernel is another one now: whatever it waited for, it does not any more. */
  kernelLost(): void {
    this._runs.filter(run => run.state !== 'ended').forEach(run => this._orphans.add(run.run));
    this.look();
  }

  /** The notebook is about to be saved; the answer is to be called when it was. */
  saving(): () => void {
    const settled = [...this._settled];
    return () => settled.forEach(run => this._seen.add(run));
  }

  dispose(): void {
    this._isDisposed = true;
    [...this._filling.keys()].forEach(cell => this._stop(cell));
  }

  private _isKnown({ run, cell_id }: RunView): boolean {
    return this._filling.get(cell_id)?.run === run || this._settled.has(run) || this._seen.has(run);
  }

  private _isWanted(cell: ICell, run: RunView): boolean {
    if (cell.isOwned) {
      return false;
    }
    const mark = cell.mark?.run === run.run ? cell.mark.state : null;
    const isLeft = mark === 'left';
    if (isLeft) {
      this._orphans.add(run.run);
    }
    if (mark === 'ended' || (run.state === 'ended' && this._answered.has(cell.id) && !isLeft)) {
      this._settled.add(run.run);
      return false;
    }
    if (this._answered.get(cell.id) === false && !isLeft) {
      return false;
    }
    // What was executed here since, without anybody's noticing, would be lost.
    const isSame = run.state !== 'ended' || !run.title || cell.source.includes(run.title);
    return isSame && this._notebook.isMine(run.notebook) === true;
  }

  private _fill(cell: ICell, run: RunView): void {
    this._stop(cell.id);
    const filling = new Filling(run, this._notebook, this._timer, this._orphans, () => this._settled.add(run.run));
    this._filling.set(cell.id, filling);
    filling.begin(this._far);
  }

  private _stop(cell: string): void {
    this._filling.get(cell)?.stop();
    this._filling.delete(cell);
  }

  private get _runs(): RunView[] {
    return ownRuns(this._far.fleet).filter(run => run.cell_id !== '');
  }

  private readonly _filling = new Map<string, Filling>();
  /** Runs that have nothing more to say to this page; what it shows may still be lost with it. */
  private readonly _settled = new Set<string>();
  /** Runs for which no kernel waits any more, that this page knows of. */
  private readonly _orphans = new Set<string>();
  /** Cells that a kernel has answered; true once what the executor says of it must have come. */
  private readonly _answered = new Map<string, boolean>();
  private _isDisposed = false;
}
