/** Fills cells whose far run this page's kernel does not tell of; see `model/reattach`. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';

import { realTimers } from '../api/live';
import type { ICell, INotebook } from '../model/filling';
import { ISeen, Reattaching } from '../model/reattach';
import { IMark, markIn } from '../model/statusline';
import { CommandIDs, IFar, INotebookNames } from '../tokens';

export const reattachPlugin: JupyterFrontEndPlugin<void> = {
  id: '@farcell/labextension:reattach',
  description: 'Gives a reopened notebook the output of its far cells back.',
  autoStart: true,
  requires: [IFar, INotebookTracker],
  activate: (app: JupyterFrontEnd, far: IFar, tracker: INotebookTracker): void => {
    const seen = new SeenHere(window.localStorage);
    const pages = new Map<NotebookPanel, Reattaching>();
    const look = (): void => pages.forEach(reattaching => reattaching.look());
    const of = (content: NotebookPanel['content']): Reattaching | undefined =>
      [...pages].find(([panel]) => panel.content === content)?.[1];
    tracker.widgetAdded.connect((_, panel) => {
      const reattaching: Reattaching = new Reattaching(far, new LabNotebook(panel, far.names), seen, realTimers);
      pages.set(panel, reattaching);
      connect(panel, far, reattaching);
      panel.disposed.connect(() => {
        pages.delete(panel);
        reattaching.dispose();
      });
    });
    far.fleet.changed.connect(look);
    far.names.changed.connect(look);
    NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
      if (sendsAway(cell.model.sharedModel.getSource())) {
        far.open();
      }
      of(notebook)?.scheduled(cell.model.id);
    });
    NotebookActions.executed.connect((_, { notebook, cell, success, error }) => {
      if (success || error?.errorName !== undefined) {
        of(notebook)?.answered(cell.model.id);
      }
    });
    // A kernel that does not wait for the run cannot pass the stop button on.
    app.commands.commandExecuted.connect((_, { id }) => {
      const panel = id === 'notebook:interrupt-kernel' ? tracker.currentWidget : null;
      const runs = panel === null ? [] : (pages.get(panel)?.unreached ?? []);
      runs.forEach(run => void app.commands.execute(CommandIDs.interrupt, { run }));
    });
  }
};

function connect(panel: NotebookPanel, far: IFar, reattaching: Reattaching): void {
  const session = panel.sessionContext;
  session.kernelChanged.connect((_, { oldValue }) => (oldValue ? reattaching.kernelLost() : reattaching.look()));
  session.statusChanged.connect((_, status) =>
    LOST.has(status) ? reattaching.kernelLost() : reattaching.look()
  );
  let saved = (): void => undefined;
  panel.context.saveState.connect((_, state) => {
    if (state === 'started') {
      saved = reattaching.saving();
    } else if (state !== 'failed') {
      saved();
    }
  });
  void panel.context.ready.then(() => {
    const cells = panel.content.model?.sharedModel.cells ?? [];
    if (cells.some(cell => cell.cell_type === 'code' && sendsAway(cell.getSource()))) {
      far.open();
    }
    // A cell that was deleted while it ran and is back by undoing has missed what its run said meanwhile.
    panel.content.model?.cells.changed.connect(() => requestAnimationFrame(() => reattaching.look()));
    reattaching.look();
  });
}

const LOST = new Set<string>(['restarting', 'autorestarting', 'dead']);

/** Whether a cell has to do with far cells. A tag alone is noticed when it is executed by a kernel that has them. */
function sendsAway(source: string): boolean {
  return /^\s*%%?gpu\b/m.test(source);
}

class LabNotebook implements INotebook {
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _names: INotebookNames
  ) {}

  cell(id: string): ICell | undefined {
    const found = this._panel.content.widgets.find(one => one.model.id === id && one.model.type === 'code');
    return found && new LabCell(found as CodeCell);
  }

  isMine(name: string): boolean | null {
    return this._names.means(name, this._panel.context.localPath);
  }

  get kernelIsFree(): boolean {
    const { session, isReady } = this._panel.sessionContext;
    const status = session?.kernel?.status ?? (isReady ? 'dead' : 'unknown');
    return status === 'idle' || status === 'starting' || LOST.has(status);
  }
}

class LabCell implements ICell {
  constructor(private readonly _cell: CodeCell) {}

  get id(): string {
    return this._cell.model.id;
  }

  get source(): string {
    return this._cell.model.sharedModel.getSource();
  }

  get isOwned(): boolean {
    const future = this._cell.outputArea?.future;
    return Boolean(future && !future.isDisposed);
  }

  get outputs(): CodeCell['model']['outputs'] {
    return this._cell.model.outputs;
  }

  get mark(): IMark | null {
    return markIn(this.outputs.toJSON());
  }

  reset(): void {
    this.outputs.clear();
    this._cell.model.trusted = true;
  }

  show(isRunning: boolean, count: number | null = null): void {
    const { model } = this._cell;
    if (!isRunning && count !== null) {
      model.executionCount = count;
    }
    const state = isRunning ? 'running' : 'idle';
    if (model.executionState === undefined) {
      this._cell.setPrompt(isRunning ? '*' : `${model.executionCount ?? ''}`);
    } else if (model.executionState !== state) {
      model.executionState = state;
    }
  }
}

const KEY = 'farcell:seen';
const MOST = 1000;

/** Remembered by the browser, for all its pages of this server. */
class SeenHere implements ISeen {
  constructor(private readonly _storage: Storage) {
    this._read();
    window.addEventListener('storage', event => {
      if (event.key === KEY) {
        this._read();
      }
    });
  }

  has(run: string): boolean {
    return this._runs.has(run);
  }

  add(run: string): void {
    if (!this._runs.has(run)) {
      this._read();
      this._runs.add(run);
      this._storage.setItem(KEY, [...this._runs].slice(-MOST).join(' '));
    }
  }

  private _read(): void {
    (this._storage.getItem(KEY) ?? '').split(' ').forEach(run => this._runs.add(run));
  }

  private readonly _runs = new Set<string>();
}
