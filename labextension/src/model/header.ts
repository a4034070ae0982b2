/** What the header of a cell says: where it runs, how that stands, since when, and whether it can be stopped. Pure. */

import type { DeviceView, RunView } from '../api/types';
import { canonical, LOCAL, wantedBy } from './magic';

/**
 * `new`: never sent. `unknown`: executed once, by a run that nobody remembers. `sent`: on its way to the executor.
 * `unsent`: its last execution did not get that far. Else how its run stands, or ended.
 */
export type Standing =
  'new' | 'unknown' | 'sent' | 'unsent' | Exclude<RunView['state'], 'ended'> | NonNullable<RunView['outcome']>;

/** A cell as its page knows it. */
export interface ICellNow {
  source: string;
  executionCount: number | null;
  /** What its outputs end with: the error of somebody who pressed stop. */
  wasInterrupted: boolean;
  /** What this page knows of the last execution that it asked for; null if it has asked for none. */
  sending: ISending | null;
}

export interface ISending {
  /** The run that the cell had before. */
  before: string | null;
  isOver: boolean;
  /** Over, and by what the cell says it was a run, though perhaps one of another executor. */
  wasSent: boolean;
}

export interface IHeader {
  standing: Standing;
  /** What is asked for, in its canonical form. */
  gpu: string;
  /** What it runs or ran on, once that is decided. */
  devices: readonly DeviceView[];
  /** Its last run was for another GPU than the cell asks for now. */
  isOther: boolean;
  /** Why it waits. */
  why: string;
  /** Seconds since the epoch; null where there is nothing to measure, or no end yet. */
  since: number | null;
  until: number | null;
  /** The run of which all that is said. */
  run: string | null;
  isLiving: boolean;
}

/** The header of a cell whose newest run is `run`; null if it should have none. */
export function headerOf(cell: ICellNow, run: RunView | undefined): IHeader | null {
  const wanted = wantedBy(cell.source);
  const known = run !== undefined && run.run === cell.sending?.before ? undefined : run;
  const isLiving = known !== undefined && known.state !== 'ended';
  // `%gpu use` and tags send cells that have no magic; where those ran before says nothing about the next time.
  if (wanted === LOCAL && !isLiving) {
    return null;
  }
  if (known === undefined) {
    return withoutRun(cell, wanted);
  }
  const header = withRun(known, wanted === LOCAL ? known.gpu : wanted);
  // To the executor that is an error like any other.
  return header.standing === 'error' && cell.wasInterrupted ? { ...header, standing: 'cancelled' } : header;
}

/** "H100", "2 × A100": what a worker holds. Empty for none, which is a CPU. */
export function devicesText(devices: readonly DeviceView[]): string {
  const counts = new Map<string, number>();
  devices.forEach(({ model }) => counts.set(model, (counts.get(model) ?? 0) + 1));
  return [...counts].map(([model, count]) => (count > 1 ? `${count} × ${model}` : model)).join(', ');
}

function withoutRun(cell: ICellNow, gpu: string): IHeader {
  return { standing: standingWithoutRun(cell), gpu, devices: [], isOther: false, why: '', since: null, until: null, run: null, isLiving: false };
}

function standingWithoutRun({ sending, executionCount }: ICellNow): Standing {
  if (sending === null) {
    return executionCount === null ? 'new' : 'unknown';
  }
  return !sending.isOver ? 'sent' : sending.wasSent ? 'unknown' : 'unsent';
}

function withRun(run: RunView, gpu: string): IHeader {
  const isOver = run.state === 'ended';
  const begun = run.started ?? null;
  return {
    standing: run.state === 'ended' ? (run.outcome ?? 'lost') : run.state,
    gpu,
    devices: run.worker?.devices ?? [],
    isOther: canonical(run.gpu) !== canonical(gpu),
    why: isOver ? '' : (run.why ?? ''),
    since: isOver ? begun : (begun ?? run.created),
    until: run.ended ?? null,
    run: run.run,
    isLiving: !isOver
  };
}
