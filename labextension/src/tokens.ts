/** What plugins offer each other: interfaces, tokens, command ids. Imports no implementation. */

import { Token } from '@lumino/coreutils';
import type { ISignal } from '@lumino/signaling';

import type { LinkState } from './api/live';
import type { NodeView, RunView, SessionView } from './api/types';
import type { IFollower } from './model/following';

/** GPUs, sessions and runs, kept up to date. */
export interface IFleetModel {
  readonly changed: ISignal<IFleetModel, void>;
  readonly link: LinkState;
  readonly isLoaded: boolean;
  /** Whose token it is that watches: an admin's sees everybody's runs. */
  readonly user: string;
  readonly nodes: readonly NodeView[];
  readonly sessions: readonly SessionView[];
  readonly runs: readonly RunView[];
  session(id: string): SessionView | undefined;
}

/** Which names that kernels have for their notebooks mean which document of this server. */
export interface INotebookNames {
  /** More is known now, or what was known may hold no more. */
  readonly changed: ISignal<INotebookNames, void>;
  /** Whether `name` means the document at `path`; null while that is not known. */
  means(name: string, path: string): boolean | null;
  /** Whether `name` is that of the document at `path`, as far as is known: for what has no cell by which to tell. */
  isOf(name: string, path: string): boolean;
}

/** What can be asked of the executor. Each rejects with a `FarError`. */
export interface IExecutor {
  interrupt(run: string): Promise<void>;
  cancel(run: string): Promise<void>;
  stopSession(session: string): Promise<void>;
  simulate(gpus: string): Promise<void>;
}

/** The link to the executor, and what is known through it. */
export interface IFar {
  readonly fleet: IFleetModel;
  readonly executor: IExecutor;
  readonly names: INotebookNames;
  /** Begin to listen, which starts an embedded executor if there is none. Again: nothing. */
  open(): void;
  /** Do not wait until the link is tried again by itself. */
  tryNow(): void;
  /**
   * Tell `follower` of the frames of `run` after number `after`, each once and in order, over every link that there will
   * be; the answer ends that.
   */
  follow(run: string, after: number, follower: IFollower): () => void;
}

export const IFar = new Token<IFar>(
  '@farcell/labextension:IFar',
  'GPUs, sessions and runs of the executor behind this server, and what can be done to them.'
);

export const CommandIDs = {
  openPanel: 'farcell:open-panel',
  interrupt: 'farcell:interrupt-run',
  cancel: 'farcell:cancel-run',
  stopSession: 'farcell:stop-session',
  openLog: 'farcell:open-log',
  setWhere: 'farcell:set-where',
  openCell: 'farcell:open-cell',
  attach: 'farcell:attach-run'
} as const;
