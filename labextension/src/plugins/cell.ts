/** The header of each far cell. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { CellRuns } from '../model/cells';
import { CommandIDs, IFar } from '../tokens';
import { NotebookHeaders } from '../ui/headers';
import type { IHeaderContext } from '../ui/header';

export const cellPlugin: JupyterFrontEndPlugin<void> = {
  id: '@farcell/labextension:cell',
  description: 'Above each %%gpu cell: where it runs, how that stands, and a button that stops it.',
  autoStart: true,
  requires: [IFar, INotebookTracker],
  optional: [ITranslator],
  activate: (app: JupyterFrontEnd, far: IFar, tracker: INotebookTracker, translator: ITranslator | null): void => {
    const runs = new CellRuns(far.fleet);
    const context: IHeaderContext = {
      trans: (translator ?? nullTranslator).load('farcell'),
      isStale: () => far.fleet.link.kind !== 'up',
      interrupt: run => void app.commands.execute(CommandIDs.interrupt, { run }),
      cancel: run => void app.commands.execute(CommandIDs.cancel, { run })
    };
    const shown = new Set<NotebookHeaders>();
    const look = (): void => shown.forEach(headers => headers.look());
    far.fleet.changed.connect(look);
    far.names.changed.connect(look);
    tracker.widgetAdded.connect((_, panel) => {
      const headers = new NotebookHeaders(panel, runs, far.names, context, () => far.open());
      shown.add(headers);
      panel.disposed.connect(() => shown.delete(headers));
    });
  }
};
