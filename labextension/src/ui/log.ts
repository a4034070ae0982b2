import { Widget } from '@lumino/widgets';

/** What a run printed, as text. */
export class LogWidget extends Widget {
  constructor(title: string) {
    super();
    this.addClass('fc-Log');
    this.title.label = title;
    this.title.closable = true;
    this.node.tabIndex = 0;
    this._text = document.createElement('pre');
    this.node.append(this._text);
  }

  /** Show `text`; colours of a terminal are left out. */
  setText(text: string): void {
    // eslint-disable-next-line no-control-regex
    this._text.textContent = text.replace(/\u001b\[[0-9;]*m/g, '');
  }

  private readonly _text: HTMLPreElement;
}
