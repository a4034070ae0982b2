/** The side panel, and what its buttons do. */

import { ILabShell, ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { Menu } from '@lumino/widgets';

import type { RunView } from '../api/types';
import { CommandIDs, IFar } from '../tokens';
import type { IActions, IContext } from '../ui/context';
import { farIcon } from '../ui/icon';
import { FarPanel } from '../ui/panel';
import { tell } from './commands';

export const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: '@farcell/labextension:panel',
  description: 'A side panel with GPUs and what runs on them.',
  autoStart: true,
  requires: [IFar],
  optional: [INotebookTracker, ITranslator, ILayoutRestorer, ICommandPalette, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    far: IFar,
    tracker: INotebookTracker | null,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null
  ): void => {
    translator = translator ?? nullTranslator;
    const trans = translator.load('farcell');
    const context: IContext = {
      fleet: far.fleet,
      actions: actionsOf(app, far, trans),
      trans,
      isHere: name => {
        const path = tracker?.currentWidget?.context.localPath;
        return path !== undefined && far.names.isOf(name, path);
      }
    };
    const panel: FarPanel = new FarPanel({ context, icon: farIcon, translator, onFirstShow: () => far.open() });
    tracker?.currentChanged.connect(() => panel.lookAgain());
    far.names.changed.connect(() => panel.lookAgain());
    app.shell.add(panel, 'left', { rank: 350 });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(CommandIDs.openPanel, {
      label: trans.__('Show GPUs and far cells'),
      icon: farIcon,
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: CommandIDs.openPanel, category: trans.__('Far cells') });
  }
};

function actionsOf(app: JupyterFrontEnd, far: IFar, trans: TranslationBundle): IActions {
  const execute = (command: string, args: Record<string, string>): void => void app.commands.execute(command, args);
  return {
    interrupt: run => execute(CommandIDs.interrupt, { run }),
    stopSession: session => execute(CommandIDs.stopSession, { session }),
    openLog: run => execute(CommandIDs.openLog, { run }),
    openCell: run => execute(CommandIDs.openCell, { run }),
    simulate: gpus => void tell(trans.__('The GPU could not be simulated'), far.executor.simulate(gpus)),
    tryNow: () => far.tryNow(),
    openMenu: (run, button) => openMenu(app, run, button)
  };
}

function openMenu(app: JupyterFrontEnd, run: RunView, button: HTMLElement): void {
  const menu = new Menu({ commands: app.commands });
  const args = { run: run.run };
  [CommandIDs.openCell, CommandIDs.openLog, CommandIDs.attach].forEach(command => menu.addItem({ command, args }));
  if (run.state !== 'ended') {
    menu.addItem({ type: 'separator' });
    [CommandIDs.interrupt, CommandIDs.cancel].forEach(command => menu.addItem({ command, args }));
  }
  menu.aboutToClose.connect(() => {
    button.focus();
    // It is still being closed.
    requestAnimationFrame(() => menu.dispose());
  });
  const { left, bottom } = button.getBoundingClientRect();
  menu.open(left, bottom);
  menu.activeIndex = 0;
}
