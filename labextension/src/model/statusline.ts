/** The status line of a far cell among its outputs: what it says, and what it tells of the run. Pure. */

import type { RunView } from '../api/types';
import { duration } from './words';

/** An output as a notebook keeps it. */
export interface IOutput {
  output_type: string;
  [field: string]: unknown;
}

/** What an output says of a run: all of it is shown above, or the cell was left before its end. */
export interface IMark {
  run: string;
  state: 'ended' | 'left';
}

/**
 * A quiet line; in the metadata, what the kernel's own line says there. One that says only what the cell's header does is
 * routine, and hidden where there is a header.
 */
export function lineOutput(text: string, isBad = false, mark: IMark | null = null, isRoutine = false): IOutput {
  const colour = isBad ? '#b35900' : 'gray';
  const kind = isRoutine ? ' class="farcell-line"' : '';
  return {
    output_type: 'display_data',
    data: { 'text/plain': text, 'text/html': `<small${kind} style="color:${colour}">${escaped(text)}</small>` },
    metadata: mark === null ? {} : { farcell: { ...mark } }
  };
}

/** The line of a run in this state; `isShown` says that all of its output is there. */
export function statusLine(run: RunView, isShown: boolean): IOutput {
  if (run.state === 'ended') {
    const isBad = run.outcome !== 'ok' && run.outcome !== 'error';
    const how = isBad ? (run.reason ? `${run.outcome}: ${run.reason.message}` : (run.outcome ?? 'ended')) : '';
    const time = run.started && run.ended ? duration(run.ended - run.started) : '';
    const parts = [how, where(run), time, `run ${run.run}`];
    return lineOutput(parts.filter(part => part !== '').join(' · '), isBad, isShown ? { run: run.run, state: 'ended' } : null, !isBad);
  }
  if (run.state === 'running') {
    return lineOutput(`running on ${where(run)} · run ${run.run}`, false, null, true);
  }
  return lineOutput(`${run.state}${run.why ? `: ${run.why}` : ''} · run ${run.run}`, false, null, true);
}

/** The newest mark among a cell's outputs. */
export function markIn(outputs: Iterable<object>): IMark | null {
  let found: IMark | null = null;
  for (const output of outputs) {
    const mark = (output as { metadata?: { farcell?: Partial<IMark> } }).metadata?.farcell;
    if (typeof mark?.run === 'string' && (mark.state === 'ended' || mark.state === 'left')) {
      found = { run: mark.run, state: mark.state };
    }
  }
  return found;
}

/** "H100 (simulated)", "2x A100", "CPU". */
export function where(run: RunView): string {
  const devices = run.worker?.devices ?? [];
  if (devices.length === 0) {
    return 'CPU';
  }
  const count = devices.length > 1 ? `${devices.length}x ` : '';
  return `${count}${devices[0].model}${devices.some(one => one.simulated) ? ' (simulated)' : ''}`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, found => `&#${found.charCodeAt(0)};`);
}
