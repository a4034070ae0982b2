/** What a run printed, as text that grows: streams, results and errors, as a terminal without colours shows them. Pure. */

import type { ShownFrame } from './following';

/** What is beyond that is forgotten, its beginning first: a page that shows gigabytes stands still. */
const MOST_CHARS = 2 ** 20;

// eslint-disable-next-line no-control-regex
const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;

export class Transcript {
  /** Lines that change no more. */
  get lines(): string {
    return this._lines;
  }

  /** The line that is being written, which `\r` begins anew. */
  get line(): string {
    return this._line;
  }

  /** Whether the beginning has been forgotten. */
  get isCut(): boolean {
    return this._isCut;
  }

  get isEmpty(): boolean {
    return this._lines === '' && this._line === '';
  }

  take(frames: readonly ShownFrame[]): void {
    for (const frame of frames) {
      this._write(textOf(frame));
    }
    if (this._lines.length > MOST_CHARS) {
      const start = this._lines.indexOf('\n', this._lines.length - MOST_CHARS / 2);
      this._lines = this._lines.slice(start + 1);
      this._isCut = true;
    }
  }

  private _write(text: string): void {
    if (text === '') {
      return;
    }
    const parts = (this._pending + text).replace(ESCAPES, '').split('\n');
    this._pending = '';
    const last = parts.pop() ?? '';
    parts.forEach(part => {
      this._lines += `${this._overwritten(part)}\n`;
      this._line = '';
    });
    // A `\r` at the very end may be half of a line's end.
    this._pending = last.endsWith('\r') ? '\r' : '';
    this._line = this._overwritten(this._pending ? last.slice(0, -1) : last);
  }

  private _overwritten(part: string): string {
    const whole = part.endsWith('\r') ? part.slice(0, -1) : part;
    const back = whole.lastIndexOf('\r');
    return back < 0 ? this._line + whole : whole.slice(back + 1);
  }

  private _lines = '';
  private _line = '';
  private _pending = '';
  private _isCut = false;
}

function textOf(frame: ShownFrame): string {
  if (frame.type !== 'message') {
    return '';
  }
  const content = frame.content;
  switch (frame.msg_type) {
    case 'stream':
      return text(content.text);
    case 'error':
      return Array.isArray(content.traceback) ? `${content.traceback.map(text).join('\n')}\n` : '';
    case 'execute_result':
    case 'display_data': {
      const data = (content.data ?? {}) as Record<string, unknown>;
      const plain = text(data['text/plain']);
      return plain === '' ? '' : `${plain}\n`;
    }
  }
  return '';
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
