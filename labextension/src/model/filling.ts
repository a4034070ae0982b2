/** One cell that is filled from a run. Knows no JupyterLab. */

import type { ITimers } from '../api/live';
import type { ErrorInfo, RunView } from '../api/types';
import type { IFar } from '../tokens';
import type { ShownFrame } from './following';
import { IOutputs, Replay } from './replay';
import type { IMark } from './statusline';

/** A cell of code. */
export interface ICell {
  readonly id: string;
  readonly source: string;
  /** A kernel's answer to this page is still on its way into it, or the cell waits for its turn. */
  readonly isOwned: boolean;
  readonly outputs: IOutputs;
  /** What its outputs say of the run that they are of. */
  readonly mark: IMark | null;
  /** It shows as running, or not any more; `count` is the number of its prompt. */
  show(isRunning: boolean, count?: number | null): void;
  /** Clear its outputs; what follows is shown as what this page's own kernel says. */
  reset(): void;
}

/** The notebook of a page. */
export interface INotebook {
  /** The cell, if it is still there. */
  cell(id: string): ICell | undefined;
  /** Whether a kernel's name for its notebook means this one; null while that is not known. */
  isMine(name: string): boolean | null;
  /** The kernel waits for no far cell: it does nothing, or is just being started. False also while nobody knows. */
  readonly kernelIsFree: boolean;
}

/** Executor and kernel say that a run has ended in any order, but within this. */
export const GRACE_MS = 2000;

/** How long output is held so that it is shown at once: a page draws all of a cell's text anew for each piece. */
const HOLD_MS = 50;

/** More than that is not held, whatever is still to come. */
const MOST_HELD_CHARS = 4_000_000;

/** Fills a cell from a run's log, from its first frame: so nothing is missing, and nothing comes twice. */
export class Filling {
  constructor(
    private readonly _run: RunView,
    private readonly _notebook: INotebook,
    private readonly _timer: ITimers,
    private readonly _orphans: ReadonlySet<string>,
    private readonly _onEnd: () => void
  ) {
    this._wasLiving = _run.state !== 'ended';
    this._latest = _run;
  }

  get run(): string {
    return this._run.run;
  }

  get isLiving(): boolean {
    return this._state === 'living';
  }

  /** Somebody else fills the cell now, or it is gone. */
  get isLost(): boolean {
    return this._state === 'left' || (this._state === 'living' && this._target === null);
  }

  /** A kernel that waits for the run is busy until its end. */
  lookAtKernel(): void {
    if (this.isLiving && !this._hasEnd && this._notebook.kernelIsFree) {
      this._freeSince ??= this._timer.now();
    }
  }

  begin(far: Pick<IFar, 'follow'>): void {
    this._unfollow = far.follow(this.run, 0, {
      onFrames: (first, frames) => this._take(first, frames),
      onChanged: run => this._see(run),
      onRefused: error => this._refused(error)
    });
  }

  stop(): void {
    if (this._state === 'living') {
      this._state = 'left';
      this._unfollow();
    }
  }

  private get _target(): ICell | null {
    const cell = this._notebook.cell(this._run.cell_id);
    return cell === undefined || cell.isOwned ? null : cell;
  }

  /** The cell, once it is ready to be written to; null if it is not ours any more. */
  private _open(): { cell: ICell; replay: Replay } | null {
    const cell = this._state === 'living' ? this._target : null;
    if (cell === null) {
      this.stop();
      return null;
    }
    if (this._replay === null) {
      cell.reset();
      this._replay = new Replay(cell.outputs, this._latest);
    }
    return { cell, replay: this._replay };
  }

  private _take(first: number, frames: readonly ShownFrame[]): void {
    this.lookAtKernel();
    for (const frame of frames) {
      this._held.push(frame);
      const text = frame.type === 'message' ? frame.content.text : null;
      this._heldChars += typeof text === 'string' ? text.length : 0;
      this._hasEnd = this._hasEnd || frame.type === 'end';
    }
    if (this._heldChars > MOST_HELD_CHARS) {
      this._show();
    } else if (first + frames.length > this._goal && !this._isDue) {
      this._isDue = true;
      this._timer.after(HOLD_MS, () => this._show());
    }
  }

  /** Show what is held. */
  private _show(): void {
    this._isDue = false;
    const open = this._held.length > 0 ? this._open() : null;
    if (open !== null) {
      open.replay.take(this._held);
      open.cell.show(true);
      this._held = [];
      this._heldChars = 0;
    }
  }

  private _see(run: RunView): void {
    this._latest = run;
    this.lookAtKernel();
    if (run.state === 'ended') {
      this._end(run);
      return;
    }
    this._goal = Math.min(this._goal, run.frames ?? 0);
    this._target?.show(true);
    // What is in the cell stays until there is something in its place.
    if (this._replay !== null || this._goal === 0) {
      this._open()?.replay.see(run);
    }
  }

  private _end(run: RunView): void {
    this._show();
    const open = this._open();
    if (open !== null) {
      open.replay.see(run);
      this._state = 'ended';
      this._sayWhereNamesAre(open.replay);
      this._onEnd();
      open.cell.show(false, open.replay.executionCount);
    }
  }

  /** A kernel that waited for the run has them. One that was free shortly before its end may have been quicker than we. */
  private _sayWhereNamesAre(replay: Replay): void {
    const names = replay.names;
    const isOrphan = this._orphans.has(this.run) || this._timer.now() - (this._freeSince ?? Infinity) > GRACE_MS;
    if (names.length === 0 || (this._wasLiving && !isOrphan && this._freeSince === null)) {
      return;
    }
    const listed = names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
    const where = this._wasLiving && isOrphan ? 'not in this kernel yet' : 'not in a kernel that was started since';
    replay.note(`${listed}: ${where}; %gpu attach ${this.run} binds ${names.length > 1 ? 'them' : 'it'}`);
  }

  private _refused(error: ErrorInfo): void {
    const open = this._replay === null ? null : this._open();
    this._state = 'ended';
    open?.replay.note(`what run ${this.run} said further cannot be shown: ${error.message}`);
    this._target?.show(false);
  }

  private _state: 'living' | 'ended' | 'left' = 'living';
  private _replay: Replay | null = null;
  private readonly _wasLiving: boolean;
  private _freeSince: number | null = null;
  private _hasEnd = false;
  private _latest: RunView;
  private _held: ShownFrame[] = [];
  private _heldChars = 0;
  private _isDue = false;
  /** How much there was when it was asked for: until then, nothing is worth being drawn. */
  private _goal = Infinity;
  private _unfollow: () => void = () => undefined;
}
