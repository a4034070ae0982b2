/** The side panel, and the commands behind its buttons. */

import { ILabShell, ILayoutRestorer, JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, ICommandPalette, MainAreaWidget, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { sessionName } from '../model/running';
import { CommandIDs, IFar } from '../tokens';
import type { IActions, IContext } from '../ui/context';
import { farIcon } from '../ui/icon';
import { LogWidget } from '../ui/log';
import { FarPanel } from '../ui/panel';

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
    addCommands(app, far, translator);
    const context: IContext = {
      fleet: far.fleet,
      actions: actionsOf(app, far),
      trans,
      notebook: () => tracker?.currentWidget?.context.path ?? null
    };
    const panel = new FarPanel({ context, icon: farIcon, translator, onFirstShow: () => far.open() });
    tracker?.currentChanged.connect(() => panel.lookAgain());
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

function actionsOf(app: JupyterFrontEnd, far: IFar): IActions {
  const execute = (command: string, args: Record<string, string>): void => void app.commands.execute(command, args);
  return {
    interrupt: run => execute(CommandIDs.interrupt, { run }),
    stopSession: session => execute(CommandIDs.stopSession, { session }),
    openLog: run => execute(CommandIDs.openLog, { run }),
    simulate: gpus => void tell('The GPU could not be simulated', far.executor.simulate(gpus))
  };
}

function addCommands(app: JupyterFrontEnd, far: IFar, translator: ITranslator): void {
  const trans = translator.load('farcell');
  const text = (args: { [key: string]: unknown }, name: string): string => {
    const given = args[name];
    return typeof given === 'string' ? given : '';
  };
  app.commands.addCommand(CommandIDs.interrupt, {
    label: trans.__('Interrupt far cell'),
    execute: args => tell(trans.__('The cell was not interrupted'), far.executor.interrupt(text(args, 'run')))
  });
  app.commands.addCommand(CommandIDs.cancel, {
    label: trans.__('Stop far cell by force'),
    execute: args => tell(trans.__('The cell was not stopped'), far.executor.cancel(text(args, 'run')))
  });
  app.commands.addCommand(CommandIDs.stopSession, {
    label: trans.__('Release session'),
    execute: async args => {
      const session = far.fleet.session(text(args, 'session'));
      if (session === undefined) {
        return;
      }
      const answer = await showDialog({
        title: trans.__('Release the session of %1?', sessionName(session)),
        body: trans.__('What runs in it is stopped, its names are lost, and its GPU is free for others.'),
        buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Release') })]
      });
      if (answer.button.accept) {
        await tell(trans.__('The session was not released'), far.executor.stopSession(session.session));
      }
    }
  });
  app.commands.addCommand(CommandIDs.openLog, {
    label: trans.__('Show what a far cell printed'),
    execute: async args => {
      const run = text(args, 'run');
      const found = far.fleet.runs.find(one => one.run === run);
      const log = new LogWidget(found?.title || run);
      log.id = `farcell-log-${run}-${Date.now()}`;
      app.shell.add(new MainAreaWidget({ content: log }), 'main');
      await tell(
        trans.__('The output cannot be shown'),
        far.executor.output(run).then(output => log.setText(output || trans.__('It printed nothing so far.')))
      );
    }
  });
}

async function tell(failure: string, doing: Promise<void>): Promise<void> {
  try {
    await doing;
  } catch (reason) {
    await showErrorMessage(failure, reason instanceof Error ? reason.message : String(reason));
  }
}
