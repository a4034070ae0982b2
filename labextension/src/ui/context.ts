/** What all parts of the panel are given. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { IFleetModel } from '../tokens';

/** What the buttons do; failures are shown by whoever does it. */
export interface IActions {
  interrupt(run: string): void;
  stopSession(session: string): void;
  openLog(run: string): void;
  simulate(gpus: string): void;
}

export interface IContext {
  readonly fleet: IFleetModel;
  readonly actions: IActions;
  readonly trans: TranslationBundle;
  /** The path of the notebook that is looked at, relative to the server's root. */
  notebook(): string | null;
}
