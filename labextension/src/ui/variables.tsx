import * as React from 'react';

import type { Variables } from '../api/types';
import { shape, size } from '../model/words';
import type { IContext } from './context';

/** What a session holds, as its newest cell told; folded until somebody wants to see it. */
export function VariablesOf(props: {
  variables: Variables;
  name: string;
  /** Whether it was folded out before it was last drawn anew, and where that is kept. */
  isOpen: boolean;
  setOpen: (isOpen: boolean) => void;
  context: IContext;
}): JSX.Element {
  const { trans } = props.context;
  const [isOpen, setOpen] = React.useState(props.isOpen);
  const listed = props.variables.listed ?? [];
  const more = props.variables.more ?? 0;
  const count = listed.length + more;
  if (count === 0) {
    return <div className="fc-Small">{trans.__('no variables')}</div>;
  }
  return (
    <details
      className="fc-Variables"
      open={isOpen}
      onToggle={event => {
        setOpen(event.currentTarget.open);
        props.setOpen(event.currentTarget.open);
      }}
    >
      <summary>{trans._n('%1 variable', '%1 variables', count)}</summary>
      <table aria-label={trans.__('Variables of %1', props.name)}>
        <colgroup>
          <col className="fc-Variables-name" />
          <col />
          <col className="fc-Variables-size" />
        </colgroup>
        <thead className="fc-mod-unseen">
          <tr>
            <th scope="col">{trans.__('name')}</th>
            <th scope="col">{trans.__('type')}</th>
            <th scope="col">{trans.__('size')}</th>
          </tr>
        </thead>
        <tbody>
          {listed.map(one => (
            <tr key={one.name}>
              <th scope="row" title={one.name}>
                {one.name}
              </th>
              <td title={`${one.type} ${shape(one.shape)}`}>
                {[one.type.split('.').pop(), shape(one.shape)].filter(Boolean).join(' ')}
              </td>
              <td className="fc-Count">{typeof one.size_bytes === 'number' ? size(one.size_bytes) : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {more > 0 && <div className="fc-Small">{trans.__('and %1 more', more)}</div>}
    </details>
  );
}
