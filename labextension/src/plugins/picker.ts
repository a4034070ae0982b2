/** The picker in the notebook's toolbar, and its command. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, IToolbarWidgetRegistry } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { ANY, LOCAL } from '../model/magic';
import { CommandIDs, IFar } from '../tokens';
import { ask, isLocked, PickerWidget } from '../ui/picker';

export const pickerPlugin: JupyterFrontEndPlugin<void> = {
  id: '@farcell/labextension:picker',
  description: 'In the notebook toolbar: where the active cell runs.',
  autoStart: true,
  requires: [IFar, INotebookTracker],
  optional: [IToolbarWidgetRegistry, ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    far: IFar,
    tracker: INotebookTracker,
    toolbar: IToolbarWidgetRegistry | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ): void => {
    const trans = (translator ?? nullTranslator).load('farcell');
    // Its place among the others is in schema/picker.json, where users may change it.
    toolbar?.addFactory<NotebookPanel>(
      'Notebook',
      'farcell-where',
      panel => new PickerWidget(panel.content, { fleet: far.fleet, trans, onOpen: () => far.open() })
    );
    app.commands.addCommand(CommandIDs.setWhere, {
      label: args => (args.where === LOCAL ? trans.__('Run cell locally') : trans.__('Run cell on a GPU')),
      isEnabled: () => {
        const model = tracker.activeCell?.model;
        return model?.type === 'code' && !isLocked(model.sharedModel);
      },
      execute: args => {
        const model = tracker.activeCell?.model;
        if (model?.type === 'code') {
          ask(model.sharedModel, typeof args.where === 'string' ? args.where : ANY);
        }
      }
    });
    for (const where of [ANY, LOCAL]) {
      palette?.addItem({ command: CommandIDs.setWhere, category: trans.__('Far cells'), args: { where } });
    }
  }
};
