/** The way from a run to its cell, and from a notebook to a run of another one. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

import { INamedNotebook, namedNotebook } from '../api/notebooks';
import type { RunView } from '../api/types';

/**
 * Show the notebook of a run, and the cell in it.
 *
 * @throws Error if the notebook is not open and cannot be found.
 */
export async function showCell(
  app: JupyterFrontEnd,
  tracker: INotebookTracker | null,
  run: RunView,
  trans: TranslationBundle
): Promise<void> {
  const panel = await panelOf(app, tracker, run);
  if (!panel) {
    throw new Error(trans.__('The notebook %1 is not open here and not below this server’s folder.', run.notebook));
  }
  await panel.context.ready;
  await panel.revealed;
  app.shell.activateById(panel.id);
  const index = panel.content.widgets.findIndex(cell => cell.model.id === run.cell_id);
  if (index >= 0) {
    panel.content.activeCellIndex = index;
    await panel.content.scrollToItem(index, 'center');
  }
}

async function panelOf(
  app: JupyterFrontEnd,
  tracker: INotebookTracker | null,
  run: RunView
): Promise<NotebookPanel | undefined> {
  const { path, exists } = await documentOf(app, run.notebook);
  if (exists) {
    const open = tracker?.find(one => one.context.localPath === path);
    return open ?? ((await app.commands.execute('docmanager:open', { path })) as NotebookPanel | undefined);
  }
  // It may be open under the name that it was given since.
  return tracker?.find(one => one.content.widgets.some(cell => cell.model.id === run.cell_id));
}

async function documentOf(app: JupyterFrontEnd, name: string): Promise<INamedNotebook> {
  if (!name.startsWith('/')) {
    return { path: name, exists: name.endsWith('.ipynb') };
  }
  // The server alone knows: a page is told of the root with "~" for the home directory.
  return namedNotebook(name, app.serviceManager.serverSettings);
}

/** A new cell below the present one that follows `run` from its beginning. */
export async function attachBelow(panel: NotebookPanel, run: string, trans: TranslationBundle): Promise<void> {
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel) {
    throw new Error(trans.__('This notebook has no kernel: start one first.'));
  }
  // Where it is loaded already this does nothing, and says so to nobody.
  await kernel.requestExecute({ code: '%load_ext farcell', silent: true, store_history: false }).done;
  NotebookActions.insertBelow(panel.content);
  panel.content.activeCell?.model.sharedModel.setSource(`%gpu attach ${run}`);
  await NotebookActions.run(panel.content, panel.sessionContext);
}
