import { textEditorIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { RunView } from '../api/types';
import type { IFollower, ShownFrame } from '../model/following';
import { Transcript } from '../model/transcript';

/** How near to its end, in pixels, a log stays at its end while it grows. */
const NEAR = 24;

/** What a run printed, as text, while it is printed. */
export class LogWidget extends Widget implements IFollower {
  constructor(
    title: string,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('fc-Log');
    this.title.label = title;
    this.title.icon = textEditorIcon;
    this.title.closable = true;
    this.node.tabIndex = 0;
    this.node.setAttribute('role', 'log');
    // Read out line by line, a training would never let anything else be heard.
    this.node.setAttribute('aria-live', 'off');
    this.node.setAttribute('aria-label', this._trans.__('What "%1" printed', title));
    const text = document.createElement('pre');
    text.append(this._lines, this._line);
    this._status = document.createElement('p');
    this._status.className = 'fc-Log-status';
    this._status.setAttribute('role', 'status');
    this._status.textContent = this._trans.__('Waiting for output …');
    this.node.append(text, this._status);
  }

  onFrames(_first: number, frames: readonly ShownFrame[]): void {
    this._transcript.take(frames);
    this.update();
  }

  onChanged(run: RunView): void {
    this._run = run;
    this.update();
  }

  onRefused(error: { message: string }): void {
    this._refused = error.message;
    this.update();
  }

  protected override onUpdateRequest(_message: Message): void {
    const { node } = this;
    const isAtEnd = node.scrollHeight - node.scrollTop - node.clientHeight < NEAR;
    this._show(this._transcript.lines);
    this._line.data = this._transcript.line;
    this._status.textContent = this._words();
    if (isAtEnd) {
      node.scrollTop = node.scrollHeight;
    }
  }

  /** Only what is new is added: the text may be long. */
  private _show(lines: string): void {
    if (this._transcript.isCut || lines.length < this._lines.length) {
      this._lines.data = lines;
    } else {
      this._lines.appendData(lines.slice(this._lines.length));
    }
  }

  private _words(): string {
    const isOver = this._run?.state === 'ended';
    const words = [
      this._transcript.isCut
        ? this._trans.__('Its beginning is left out here; "farcell logs %1" prints all of it.', this._run?.run ?? 'RUN')
        : '',
      this._refused ? this._refused : '',
      isOver && this._transcript.isEmpty ? this._trans.__('It printed nothing.') : '',
      isOver ? this._trans.__('It has ended.') : this._transcript.isEmpty ? this._trans.__('Waiting for output …') : ''
    ];
    return words.filter(Boolean).join(' ');
  }

  private readonly _transcript = new Transcript();
  private readonly _lines = document.createTextNode('');
  private readonly _line = document.createTextNode('');
  private readonly _status: HTMLElement;
  private _run: RunView | null = null;
  private _refused = '';
}
