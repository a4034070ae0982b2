/** What all parts of the panel are given. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { RunView } from '../api/types';
import type { IFleetModel } from '../tokens';

/** What the buttons do; failures are shown by whoever does it. */
export interface IActions {
  interrupt(run: string): void;
  stopSession(session: string): void;
  openLog(run: string): void;
  openCell(run: string): void;
  simulate(gpus: string): void;
  tryNow(): void;
  /** Show all that can be done with `run` below `button`, which has the focus again afterwards. */
  openMenu(run: RunView, button: HTMLElement): void;
}

export interface IContext {
  readonly fleet: IFleetModel;
  readonly actions: IActions;
  readonly trans: TranslationBundle;
  /** Whether a kernel's name for its notebook is that of the one that is looked at. */
  isHere(notebook: string): boolean;
}
