/** Sessions with their runs, in the order in which the panel lists them. Pure. */

import type { RunView, SessionView } from '../api/types';

export interface IRunning {
  session: SessionView;
  /** The living runs, the one that executes first. */
  runs: readonly RunView[];
  isHere: boolean;
}

const ORDER: Record<RunView['state'], number> = { running: 0, starting: 1, queued: 2, ended: 3 };

/** This notebook's sessions first, which `isHere` tells by their notebook's name, then those that execute something, then the newest. */
export function arrange(
  sessions: readonly SessionView[],
  runs: readonly RunView[],
  isHere: (notebook: string) => boolean
): IRunning[] {
  const living = runs.filter(run => run.state !== 'ended');
  return sessions
    .map(session => ({
      session,
      runs: living
        .filter(run => run.session === session.session)
        .sort((one, other) => ORDER[one.state] - ORDER[other.state] || one.created - other.created),
      isHere: isHere(session.notebook)
    }))
    .sort(
      (one, other) =>
        Number(other.isHere) - Number(one.isHere) ||
        Number(other.runs.length > 0) - Number(one.runs.length > 0) ||
        other.session.created - one.session.created
    );
}

/** What to call a session: a person's name for it, or its notebook's. */
export function sessionName(session: SessionView): string {
  return session.name || session.notebook.split('/').pop() || session.session;
}
