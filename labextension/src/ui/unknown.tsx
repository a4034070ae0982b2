import * as React from 'react';

import type { IContext } from './context';

/** A section of which nothing is known yet; the notice above says why. */
export function Unknown({ context }: { context: IContext }): JSX.Element {
  const { fleet, trans } = context;
  const isComing = fleet.link.kind === 'connecting' || fleet.link.kind === 'up';
  return (
    <div className="fc-Section-body" aria-busy={isComing}>
      {isComing ? (
        <div className="fc-Placeholder" aria-hidden="true" />
      ) : (
        <p className="fc-Empty fc-mod-faint">{trans.__('Not known without an executor.')}</p>
      )}
    </div>
  );
}
