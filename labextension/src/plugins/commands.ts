/** What can be done with a run or a session, as commands of JupyterLab. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, MainAreaWidget, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import type { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import type { RunView } from '../api/types';
import { sessionName } from '../model/running';
import { CommandIDs, IFar } from '../tokens';
import { LogWidget } from '../ui/log';
import { attachBelow, showCell } from './notebooks';

/** On its own, since the panel, which a person may disable, is not alone in using them. */
export const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@farcell/labextension:commands',
  description: 'What can be done with far cells and their sessions.',
  autoStart: true,
  requires: [IFar],
  optional: [INotebookTracker, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    far: IFar,
    tracker: INotebookTracker | null,
    translator: ITranslator | null
  ): void => addCommands(app, far, tracker, (translator ?? nullTranslator).load('farcell'))
};

/** Each takes the id of a `run` or a `session`. */
function addCommands(
  app: JupyterFrontEnd,
  far: IFar,
  tracker: INotebookTracker | null,
  trans: TranslationBundle
): void {
  const found = (args: ReadonlyPartialJSONObject): RunView | undefined =>
    far.fleet.runs.find(one => one.run === args.run);
  const lives = (args: ReadonlyPartialJSONObject): boolean => {
    const run = found(args);
    return run !== undefined && run.state !== 'ended';
  };
  app.commands.addCommand(CommandIDs.interrupt, {
    label: trans.__('Interrupt'),
    isEnabled: lives,
    execute: args => tell(trans.__('The cell was not interrupted'), far.executor.interrupt(text(args, 'run')))
  });
  app.commands.addCommand(CommandIDs.cancel, {
    label: trans.__('Stop by Force…'),
    isEnabled: lives,
    execute: args => cancel(far, found(args), trans)
  });
  app.commands.addCommand(CommandIDs.stopSession, {
    label: trans.__('Release Session…'),
    execute: args => release(far, text(args, 'session'), trans)
  });
  app.commands.addCommand(CommandIDs.openLog, {
    label: trans.__('Show Output'),
    execute: args => openLog(app, far, text(args, 'run'), trans)
  });
  app.commands.addCommand(CommandIDs.openCell, {
    label: trans.__('Go to Cell'),
    execute: args => {
      const run = found(args);
      return run && tell(trans.__('The cell cannot be shown'), showCell(app, tracker, run, trans));
    }
  });
  app.commands.addCommand(CommandIDs.attach, {
    label: trans.__('Attach in This Notebook'),
    isEnabled: () => tracker !== null && tracker.currentWidget !== null,
    execute: args => {
      const panel = tracker?.currentWidget;
      return panel && tell(trans.__('The cell was not attached'), attachBelow(panel, text(args, 'run'), trans));
    }
  });
}

/** Do it, and show a person why if it fails. */
export async function tell(failure: string, doing: Promise<void>): Promise<void> {
  try {
    await doing;
  } catch (reason) {
    await showErrorMessage(failure, reason instanceof Error ? reason.message : String(reason));
  }
}

async function cancel(far: IFar, run: RunView | undefined, trans: TranslationBundle): Promise<void> {
  if (run === undefined) {
    return;
  }
  const answer = await showDialog({
    title: trans.__('Stop "%1" by force?', run.title || run.run),
    body: trans.__('If it does not stop when interrupted, its process is ended, and all variables of its session are lost.'),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Stop') })]
  });
  if (answer.button.accept) {
    await tell(trans.__('The cell was not stopped'), far.executor.cancel(run.run));
  }
}

async function release(far: IFar, id: string, trans: TranslationBundle): Promise<void> {
  const session = far.fleet.session(id);
  if (session === undefined) {
    return;
  }
  const answer = await showDialog({
    title: trans.__('Release the session of %1?', sessionName(session)),
    body: trans.__('What runs in it is stopped, its variables are lost, and its GPU is free for others.'),
    buttons: [Dialog.cancelButton(), Dialog.warnButton({ label: trans.__('Release') })]
  });
  if (answer.button.accept) {
    await tell(trans.__('The session was not released'), far.executor.stopSession(session.session));
  }
}

function openLog(app: JupyterFrontEnd, far: IFar, run: string, trans: TranslationBundle): void {
  const id = `farcell-log-${run}`;
  for (const open of app.shell.widgets('main')) {
    if (open.id === id) {
      app.shell.activateById(id);
      return;
    }
  }
  const log = new LogWidget(far.fleet.runs.find(one => one.run === run)?.title || run, trans);
  const leave = far.follow(run, 0, log);
  log.disposed.connect(leave);
  const tab = new MainAreaWidget({ content: log });
  tab.id = id;
  app.shell.add(tab, 'main');
}

function text(args: ReadonlyPartialJSONObject, name: string): string {
  const given = args[name];
  return typeof given === 'string' ? given : '';
}
