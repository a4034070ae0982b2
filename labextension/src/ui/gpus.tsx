import { ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { groupGpus, holders, IGpuGroup, notesOf, queue } from '../model/gpus';
import { size } from '../model/words';
import type { IContext } from './context';
import { Unknown } from './unknown';

/** How many of the waiting runs are named. */
const NAMED = 5;

/** The section *GPUs*: what there is, what is free, and who waits. */
export class GpusWidget extends ReactWidget {
  constructor(private readonly _context: IContext) {
    super();
    this.addClass('fc-Section');
    // It scrolls, by keyboard too.
    this.node.tabIndex = 0;
    this._context.fleet.changed.connect(this.update, this);
  }

  override dispose(): void {
    this._context.fleet.changed.disconnect(this.update, this);
    super.dispose();
  }

  protected override render(): JSX.Element {
    const { fleet } = this._context;
    if (!fleet.isLoaded) {
      return <Unknown context={this._context} />;
    }
    const groups = groupGpus(fleet.nodes);
    return (
      <div className="fc-Section-body">
        {groups.length === 0 ? (
          <NoGpus context={this._context} />
        ) : (
          <ul className="fc-List" aria-label={this._context.trans.__('GPUs')}>
            {groups.map(group => (
              <Gpus key={group.key} group={group} context={this._context} showsNode={fleet.nodes.length > 1} />
            ))}
          </ul>
        )}
        <Notes context={this._context} />
        <Waiting context={this._context} />
      </div>
    );
  }
}

function NoGpus({ context }: { context: IContext }): JSX.Element {
  const { trans, actions } = context;
  return (
    <div className="fc-Empty">
      <p>{trans.__('There is no GPU here. Cells run on the CPU with:')}</p>
      <code>%%gpu cpu</code>
      <p>{trans.__('To try scheduling without one, simulate it. Its cells are executed on the CPU.')}</p>
      <button type="button" className="jp-Button jp-mod-styled fc-Empty-button" onClick={() => actions.simulate('H100')}>
        {trans.__('Simulate an H100')}
      </button>
    </div>
  );
}

function Gpus(props: { group: IGpuGroup; context: IContext; showsNode: boolean }): JSX.Element {
  const { group, showsNode } = props;
  const { trans, fleet } = props.context;
  const held = holders(group, fleet.sessions);
  const free = group.total - group.used - group.troubled;
  const share = `${Math.round((100 * group.used) / group.total)}%`;
  return (
    <li className="fc-Item">
      <div className="fc-Line">
        <span className="fc-Name">{group.model}</span>
        {group.simulated && <span className="fc-Badge">{trans.__('simulated')}</span>}
        <span className="fc-Space" />
        <span className="fc-Count">{trans.__('%1 of %2 free', free, group.total)}</span>
      </div>
      <div className="fc-Bar" aria-hidden="true">
        <div className="fc-Bar-used" style={{ width: share }} />
      </div>
      <div className="fc-Line fc-Small">
        <span>
          {[
            showsNode ? group.node : '',
            group.memoryBytes === null ? '' : size(group.memoryBytes),
            group.used > 0 ? trans.__('%1 used', group.used) + (held.length > 0 ? ` (${held.join(', ')})` : '') : '',
            group.troubled > 0 ? trans.__('%1 not usable', group.troubled) : ''
          ]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </div>
      {!group.isConnected && (
        <div className="fc-Small fc-mod-warning">{trans.__('%1 is out of reach; what runs there goes on', group.node)}</div>
      )}
      {group.troubles.map((trouble, index) => (
        <div key={index} className="fc-Small fc-mod-warning">
          {trouble}
        </div>
      ))}
    </li>
  );
}

/** What GPU hosts say of themselves: why one has no GPU, say. */
function Notes({ context }: { context: IContext }): JSX.Element {
  const notes = notesOf(context.fleet.nodes);
  return (
    <>
      {notes.map(({ node, note }) => (
        <p key={`${node} ${note}`} className="fc-Note fc-Small">
          {context.trans.__('%1: %2', node, note)}
        </p>
      ))}
    </>
  );
}

function Waiting({ context }: { context: IContext }): JSX.Element | null {
  const waiting = queue(context.fleet.runs);
  if (waiting.length === 0) {
    return null;
  }
  return (
    <div className="fc-Waiting">
      <div className="fc-Small">{context.trans._n('%1 cell waits for a GPU', '%1 cells wait for a GPU', waiting.length)}</div>
      <ol className="fc-List" aria-label={context.trans.__('In this order')}>
        {waiting.slice(0, NAMED).map(run => (
          <li key={run.run} className="fc-Item fc-Small">
            <code className="fc-Title">{run.title}</code>
            <div className="fc-Run-words">{run.why}</div>
          </li>
        ))}
      </ol>
    </div>
  );
}
