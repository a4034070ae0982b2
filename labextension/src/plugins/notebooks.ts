/** The way from a run to its cell, and from a notebook to a run of another one. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { PageConfig } from '@jupyterlab/coreutils';
import { INotebookTracker, NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

import type { RunView } from '../api/types';
import { isSameNotebook, pathIn } from '../model/running';

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
  const panel = tracker?.find(one => isSameNotebook(run.notebook, one.context.path)) ?? (await open(app, run));
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

async function open(app: JupyterFrontEnd, run: RunView): Promise<NotebookPanel | undefined> {
  const path = pathIn(PageConfig.getOption('serverRoot'), run.notebook);
  if (path === null) {
    return undefined;
  }
  return (await app.commands.execute('docmanager:open', { path })) as NotebookPanel | undefined;
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
