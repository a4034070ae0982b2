import { closeIcon, ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { SessionView } from '../api/types';
import { arrange, IRunning, sessionName } from '../model/running';
import { duration } from '../model/words';
import type { IContext } from './context';
import { IconButton } from './iconbutton';
import { useNow } from './now';
import { Run } from './run';
import { Unknown } from './unknown';
import { VariablesOf } from './variables';

/** How many ended runs are listed. */
const RECENT = 8;

/** The section *Running*: sessions with what runs in them, this notebook's first; then what ended last. */
export class RunningWidget extends ReactWidget {
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
    return <Running context={this._context} />;
  }
}

interface IShared {
  now: number;
  context: IContext;
  /** The sessions whose variables are folded out, also when they move to another place. */
  unfolded: Set<string>;
}

function Running({ context }: { context: IContext }): JSX.Element {
  const { fleet, trans } = context;
  const rows = arrange(fleet.sessions, fleet.runs, name => context.isHere(name));
  const [here, elsewhere] = [rows.filter(row => row.isHere), rows.filter(row => !row.isHere)];
  const now = useNow(rows.length > 0);
  const [unfolded] = React.useState(() => new Set<string>());
  const shared = { now, context, unfolded };
  const ended = fleet.runs.filter(run => run.state === 'ended').slice(-RECENT).reverse();
  if (!fleet.isLoaded) {
    return <Unknown context={context} />;
  }
  return (
    <div className="fc-Section-body">
      {rows.length === 0 && (
        <div className="fc-Empty">
          <p>{trans.__('Nothing runs far away. This line above a cell sends it there:')}</p>
          <code>%%gpu</code>
        </div>
      )}
      <Sessions rows={here} heading={trans.__('This notebook')} {...shared} />
      <Sessions rows={elsewhere} heading={here.length > 0 ? trans.__('Elsewhere') : ''} {...shared} />
      {ended.length > 0 && (
        <>
          <h3 className="fc-Heading">{trans.__('Ended')}</h3>
          <ul className="fc-List" aria-label={trans.__('Ended')}>
            {ended.map(run => (
              <Run key={run.run} run={run} now={now} context={context} />
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function Sessions({ rows, heading, ...shared }: { rows: IRunning[]; heading: string } & IShared): JSX.Element | null {
  if (rows.length === 0) {
    return null;
  }
  return (
    <>
      {heading !== '' && <h3 className="fc-Heading">{heading}</h3>}
      <ul className="fc-List" aria-label={heading || shared.context.trans.__('Sessions')}>
        {rows.map(row => (
          <Session key={row.session.session} row={row} {...shared} />
        ))}
      </ul>
    </>
  );
}

function Session({ row, ...shared }: { row: IRunning } & IShared): JSX.Element {
  const { now, context, unfolded } = shared;
  const { session, runs } = row;
  const { trans, actions } = context;
  const name = sessionName(session);
  return (
    <li className="fc-Item fc-Session" data-session={session.session}>
      <div className="fc-Line">
        <span className="fc-Name" title={session.notebook}>
          {name}
        </span>
        <span className="fc-Space" />
        <IconButton
          icon={closeIcon}
          label={trans.__('Release the session of %1, with all its variables', name)}
          onClick={() => actions.stopSession(session.session)}
        />
      </div>
      <div className="fc-Line fc-Small">
        <span>{devices(session, context)}</span>
        <span className="fc-Space" />
        <span className="fc-Count">{standing(row, now, context)}</span>
      </div>
      {runs.length > 0 && (
        <ul className="fc-List fc-Runs" aria-label={trans.__('Cells of %1', name)}>
          {runs.map(run => (
            <Run key={run.run} run={run} now={now} context={context} />
          ))}
        </ul>
      )}
      {session.variables && (
        <VariablesOf
          variables={session.variables}
          name={name}
          isOpen={unfolded.has(session.session)}
          setOpen={isOpen => void (isOpen ? unfolded.add(session.session) : unfolded.delete(session.session))}
          context={context}
        />
      )}
    </li>
  );
}

function devices(session: SessionView, context: IContext): string {
  const held = session.worker?.devices ?? [];
  if (held.length === 0) {
    return session.gpu === 'cpu' ? 'CPU' : session.gpu || context.trans.__('any GPU');
  }
  const names = held.map(one => (one.simulated ? context.trans.__('%1 (simulated)', one.model) : one.model));
  return names.every(one => one === names[0]) && names.length > 1 ? `${names.length} × ${names[0]}` : names.join(', ');
}

function standing({ session, runs }: IRunning, now: number, context: IContext): string {
  const { trans } = context;
  if (session.state !== 'ready') {
    return session.state === 'waiting' ? trans.__('waits') : trans.__('starts');
  }
  if (runs.length > 0) {
    return trans.__('busy');
  }
  return session.expires ? trans.__('idle, released in %1', duration(session.expires - now)) : trans.__('idle');
}
