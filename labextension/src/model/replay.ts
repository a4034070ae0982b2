/** What the frames of a run make of a cell's outputs, as a front end does with what a kernel says. Pure. */

import type { RunView } from '../api/types';
import { Bounds } from './bounds';
import type { ShownFrame } from './following';
import { IOutput, lineOutput, statusLine } from './statusline';

/** A cell's outputs. Text of one stream that follows itself becomes one output, and `\r` goes back in it. */
export interface IOutputs {
  readonly length: number;
  add(output: IOutput): unknown;
  set(index: number, output: IOutput): void;
  clear(): void;
}

/** What has to be fetched again; a module is there for whoever imports it. */
const BOUND = new Set(['value', 'handle']);

type Said = Extract<ShownFrame, { type: 'message' }>;

/** Begins with empty outputs, and the run's first frame. `run` is what is known of it. */
export class Replay {
  constructor(
    private readonly _outputs: IOutputs,
    run: RunView,
    private readonly _bounds: Bounds = new Bounds()
  ) {
    this._line = this._add(statusLine(run, false));
  }

  /** The names that came home to the kernel that sent the cell. */
  get names(): readonly string[] {
    return [...this._names];
  }

  /** The number of the cell's prompt, if the run has said it. */
  get executionCount(): number | null {
    return this._executionCount;
  }

  /** The run's state is this; "ended" comes behind its last frame. */
  see(run: RunView): void {
    const line = statusLine(run, run.state === 'ended');
    if (this._line !== null) {
      this._outputs.set(this._line, line);
    } else if (run.state === 'ended') {
      this._add(line);
    }
  }

  /** The next frames. */
  take(frames: readonly ShownFrame[]): void {
    let stream: Said | null = null;
    let texts: string[] = [];
    const say = (): void => {
      if (stream !== null && texts.length > 0) {
        this._add({ output_type: 'stream', name: stream.content.name, text: texts.join('') });
      }
      [stream, texts] = [null, []];
    };
    for (const frame of frames) {
      if (frame.type === 'message' && frame.msg_type === 'stream') {
        if (stream !== null && stream.content.name !== frame.content.name) {
          say();
        }
        stream = frame;
        const text = String(frame.content.text);
        if (this._bounds.shows(text)) {
          texts.push(text);
        }
      } else {
        say();
        this._takeOne(frame);
      }
    }
    say();
  }

  /** A quiet line below everything. */
  note(text: string): void {
    this._add(lineOutput(text));
  }

  private _takeOne(frame: ShownFrame): void {
    if (frame.type === 'message') {
      this._show(frame);
    } else if (frame.type === 'value' && BOUND.has(frame.status) && frame.name !== '_') {
      this._names.add(frame.name);
    } else if (frame.type === 'elided') {
      this._bounds.leaveOut(frame.size_bytes);
    } else if (frame.type === 'end') {
      this._closeGap();
      this._executionCount = frame.execution_count ?? null;
    }
  }

  private _show({ msg_type, content, metadata }: Said): void {
    const displayId = (content.transient as { display_id?: unknown } | undefined)?.display_id;
    if (msg_type === 'clear_output') {
      this._isClearDue = true;
      if (content.wait !== true) {
        this._clear();
      }
    } else if (msg_type === 'update_display_data') {
      this._update(displayId, content);
    } else if (msg_type === 'display_data' || msg_type === 'execute_result') {
      this._closeGap();
      const index = this._add(outputOf(msg_type, content));
      if (displayId !== undefined) {
        // Shown once more, it is the same display: everywhere it shows what is new.
        this._update(displayId, content);
        this._displays.set(displayId, [...(this._displays.get(displayId) ?? []), index]);
      }
    } else if (msg_type === 'error' && metadata?.farcell_shown === undefined) {
      this._closeGap();
      this._add(outputOf('error', content));
    } else if (msg_type === 'input_request') {
      this.note(`asks: ${String(content.prompt)} (%gpu attach in any notebook answers it)`);
    }
  }

  private _update(displayId: unknown, content: Said['content']): void {
    this._displays.get(displayId)?.forEach(index => this._outputs.set(index, outputOf('display_data', content)));
  }

  private _closeGap(): void {
    const { left, text } = this._bounds.rest();
    if (left > 0) {
      this.note(`[${left.toLocaleString('en')} characters more: the panel, or %gpu logs, shows all]`);
    }
    if (text !== '') {
      this._add({ output_type: 'stream', name: 'stdout', text });
    }
  }

  /** Add an output behind a clearing that waited for it; its place. */
  private _add(output: IOutput): number {
    if (this._isClearDue) {
      this._clear();
    }
    this._outputs.add(output);
    return this._outputs.length - 1;
  }

  private _clear(): void {
    this._isClearDue = false;
    this._outputs.clear();
    this._displays.clear();
    this._bounds.clear();
    this._line = null;
  }

  private readonly _displays = new Map<unknown, number[]>();
  private readonly _names = new Set<string>();
  private _line: number | null;
  private _isClearDue = false;
  private _executionCount: number | null = null;
}

function outputOf(kind: string, content: Said['content']): IOutput {
  const output: IOutput = { ...content, output_type: kind };
  delete output.transient;
  return output;
}
