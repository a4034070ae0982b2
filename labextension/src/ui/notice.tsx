import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { IContext } from './context';

/** Above the lists: which executor they are of; or why what is shown may be old, and what to do. */
export class NoticeWidget extends ReactWidget {
  constructor(private readonly _context: IContext) {
    super();
    this.addClass('fc-Notice');
    this._context.fleet.changed.connect(this.update, this);
  }

  override dispose(): void {
    this._context.fleet.changed.disconnect(this.update, this);
    super.dispose();
  }

  protected override render(): JSX.Element {
    const { link } = this._context.fleet;
    return (
      <div data-link={link.kind}>
        {/* It is always there, since what appears together with its words is not read out. */}
        <div role="status">
          <Words context={this._context} />
        </div>
        {(link.kind === 'down' || link.kind === 'offline') && (
          <button
            type="button"
            className="jp-Button jp-mod-styled fc-Notice-button"
            onClick={() => this._context.actions.tryNow()}
          >
            {this._context.trans.__('Try again')}
          </button>
        )}
        {link.kind === 'up' && <Whose where={link.where} context={this._context} />}
      </div>
    );
  }
}

function Words({ context }: { context: IContext }): JSX.Element | null {
  const { trans, fleet } = context;
  const { link, isLoaded } = fleet;
  switch (link.kind) {
    case 'up':
      return null;
    case 'connecting':
      return isLoaded ? null : <p className="fc-Notice-words">{trans.__('Looking for the executor …')}</p>;
    case 'offline':
      return (
        <p className="fc-Notice-words fc-mod-bad">
          <strong>{trans.__('The Jupyter server does not answer.')}</strong>{' '}
          {trans.__('What runs far away goes on. This page tries again by itself; if the server has ended, start it again.')}
          {isLoaded && ` ${trans.__('Below is what was known last.')}`}
        </p>
      );
    case 'down':
      return (
        <p className="fc-Notice-words fc-mod-bad">
          <strong>{trans.__('No executor:')}</strong> {link.error.message}.{' '}
          {trans.__('This page tries again by itself; a far cell starts this machine’s own executor if it has ended.')}
          {isLoaded && ` ${trans.__('Below is what was known last.')}`}
          <code className="fc-Notice-code">{link.error.code}</code>
        </p>
      );
  }
}

function Whose({ where, context }: { where: string; context: IContext }): JSX.Element {
  const { trans } = context;
  return (
    <details className="fc-Whose">
      <summary>
        {trans.__('Executor:')} <span className="fc-Whose-name">{where || trans.__('this Jupyter server’s own')}</span>
      </summary>
      <p>
        {trans.__('This panel shows one executor. A notebook that chose another one with')} <code>%gpu connect</code>{' '}
        {trans.__('is not listed here. To see that one, start Jupyter with its address in')} <code>FARCELL_URL</code>.
      </p>
    </details>
  );
}
