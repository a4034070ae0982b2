import { ReactWidget, stopIcon } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import type { IHeader } from '../model/header';
import { duration } from '../model/words';
import { isPast, standingText, whereText } from './headerwords';
import { IconButton } from './iconbutton';
import { useNow } from './now';

export interface IHeaderContext {
  readonly trans: TranslationBundle;
  /** What is shown may be old: nothing is heard of the executor at the moment. */
  isStale(): boolean;
  interrupt(run: string): void;
  cancel(run: string): void;
}

/** The quiet line above a far cell. Its owner calls `look` when something may have changed. */
export class HeaderWidget extends ReactWidget {
  /** `read` says what there is to show, if anything. */
  constructor(
    private readonly _read: () => IHeader | null,
    private readonly _context: IHeaderContext
  ) {
    super();
    this.addClass('fc-Header');
    this.hide();
  }

  /** What it shows. */
  get header(): IHeader | null {
    return this._header;
  }

  look(): void {
    const header = this._read();
    const isStale = header !== null && header.isLiving && this._context.isStale();
    const shown = JSON.stringify([header, isStale]);
    if (shown !== this._shown) {
      [this._header, this._isStale, this._shown] = [header, isStale, shown];
      this.setHidden(header === null);
      this.update();
    }
  }

  protected override render(): JSX.Element | null {
    return this._header && <Header header={this._header} isStale={this._isStale} context={this._context} />;
  }

  private _header: IHeader | null = null;
  private _isStale = false;
  private _shown = '';
}

function Header(props: { header: IHeader; isStale: boolean; context: IHeaderContext }): JSX.Element {
  const { header, isStale, context } = props;
  const { trans } = context;
  const [stopped, setStopped] = React.useState<string | null>(null);
  const isStopped = header.run !== null && header.run === stopped;
  const stop = (run: string): void => {
    (isStopped ? context.cancel : context.interrupt)(run);
    setStopped(run);
  };
  return (
    // A notebook's shortcuts would take Enter and Space from the button.
    <div className="fc-Header-line" role="group" aria-label={trans.__('Far cell')} data-lm-suppress-shortcuts="true">
      <span className={`fc-Dot fc-mod-${isPast(header) ? 'new' : header.standing}`} aria-hidden="true" />
      <span className="fc-Header-where">{whereText(header, trans)}</span>
      {isSimulated(header) && <span className="fc-Badge">{trans.__('simulated')}</span>}
      <span role="status">{isStopped && header.isLiving ? trans.__('stopping') : standingText(header, trans)}</span>
      <Elapsed header={header} />
      {header.isLiving && (
        <IconButton
          icon={stopIcon}
          label={isStopped ? trans.__('Stop this cell by force…') : trans.__('Stop this cell')}
          onClick={() => header.run !== null && stop(header.run)}
        />
      )}
      <span className="fc-Header-why">{isStale ? trans.__('not connected; it goes on there') : header.why}</span>
    </div>
  );
}

function Elapsed({ header }: { header: IHeader }): JSX.Element | null {
  const { since, until } = header;
  const now = useNow(since !== null && until === null);
  return since === null ? null : (
    <span className="fc-Count" role="timer">
      {duration((until ?? now) - since)}
    </span>
  );
}

function isSimulated(header: IHeader): boolean {
  return header.devices.some(device => device.simulated) && !isPast(header);
}
