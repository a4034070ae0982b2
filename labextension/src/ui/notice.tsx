import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { IContext } from './context';

/** Above the lists: that nothing is known yet, or why what is shown may be old, and what to do. */
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
    const { link, isLoaded } = this._context.fleet;
    const { trans } = this._context;
    const words = {
      up: null,
      connecting: isLoaded ? null : trans.__('Looking for the executor …'),
      offline: trans.__('The Jupyter server does not answer. What runs far away goes on; this page tries again.'),
      down: link.kind === 'down' ? link.error.message : null
    }[link.kind];
    const isBad = link.kind === 'down' || link.kind === 'offline';
    return (
      <div role="status" data-link={link.kind}>
        {words !== null && (
          <div className={isBad ? 'fc-Notice-words fc-mod-bad' : 'fc-Notice-words'}>
            {link.kind === 'down' && <strong>{trans.__('No executor.')} </strong>}
            {words}
            {link.kind === 'down' && <code className="fc-Notice-code">{link.error.code}</code>}
          </div>
        )}
      </div>
    );
  }
}
