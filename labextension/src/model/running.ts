/** Sessions with their runs, in the order in which the panel lists them. Pure. */

import type { RunView, SessionView } from '../api/types';

export interface IRunning {
  session: SessionView;
  /** The living runs, the one that executes first. */
  runs: readonly RunView[];
  isHere: boolean;
}

const ORDER: Record<RunView['state'], number> = { running: 0, starting: 1, queued: 2, ended: 3 };

/** This notebook's sessions first, then those that execute something, then the newest. */
export function arrange(
  sessions: readonly SessionView[],
  runs: readonly RunView[],
  notebook: string | null
): IRunning[] {
  const living = runs.filter(run => run.state !== 'ended');
  return sessions
    .map(session => ({
      session,
      runs: living
        .filter(run => run.session === session.session)
        .sort((one, other) => ORDER[one.state] - ORDER[other.state] || one.created - other.created),
      isHere: notebook !== null && isSameNotebook(session.notebook, notebook)
    }))
    .sort(
      (one, other) =>
        Number(other.isHere) - Number(one.isHere) ||
        Number(other.runs.length > 0) - Number(one.runs.length > 0) ||
        other.session.created - one.session.created
    );
}

/** Whether a name that a kernel gave its notebook is that of the document at `path`, which is relative to the server's root. */
export function isSameNotebook(name: string, path: string): boolean {
  return name === path || name.endsWith(`/${path}`);
}

/** What to call a session: a person's name for it, or its notebook's. */
export function sessionName(session: SessionView): string {
  return session.name || session.notebook.split('/').pop() || session.session;
}

/** Where a notebook of that name is below the server's folder, as documents are opened; null if it is elsewhere. */
export function pathIn(root: string, name: string): string | null {
  if (!name.endsWith('.ipynb')) {
    return null;
  }
  const folder = root.endsWith('/') ? root : `${root}/`;
  return name.startsWith(folder) ? name.slice(folder.length) : name.startsWith('/') ? null : name;
}
