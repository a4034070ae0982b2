import { ellipsesIcon, stopIcon, textEditorIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import type { RunView } from '../api/types';
import { duration } from '../model/words';
import type { IContext } from './context';
import { IconButton } from './iconbutton';

/** One run: its state and time, the way to its cell, and what can be done with it. */
export function Run({ run, now, context }: { run: RunView; now: number; context: IContext }): JSX.Element {
  const { trans, actions } = context;
  const isOver = run.state === 'ended';
  const title = run.title || run.run;
  const [state, words] = [stateOf(run, context), wordsOf(run, context)];
  return (
    <li className="fc-Run" data-run={run.run} data-state={run.state}>
      <div className="fc-Line">
        <span className={`fc-Dot fc-mod-${isOver ? (run.outcome ?? 'lost') : run.state}`} aria-hidden="true" />
        <button
          type="button"
          className="fc-Title"
          title={trans.__('Go to the cell "%1" of %2', title, run.notebook)}
          onClick={() => actions.openCell(run.run)}
        >
          {title}
        </button>
        {words !== state && <span className="fc-mod-unseen">{state}</span>}
        <span className="fc-Space" />
        <span className="fc-Count">{run.started ? duration((run.ended ?? now) - run.started) : ''}</span>
        <IconButton
          icon={textEditorIcon}
          label={trans.__('Show what "%1" printed', title)}
          onClick={() => actions.openLog(run.run)}
        />
        {!isOver && (
          <IconButton icon={stopIcon} label={trans.__('Interrupt "%1"', title)} onClick={() => actions.interrupt(run.run)} />
        )}
        <IconButton
          icon={ellipsesIcon}
          label={trans.__('More for "%1"', title)}
          onClick={button => actions.openMenu(run, button)}
          opensMenu
        />
      </div>
      {words !== '' && <div className="fc-Small fc-Run-words">{words}</div>}
    </li>
  );
}

function stateOf(run: RunView, { trans }: IContext): string {
  switch (run.state) {
    case 'queued':
      return trans.__('waits');
    case 'starting':
      return trans.__('starts');
    case 'running':
      return trans.__('runs');
    case 'ended':
      return outcomeOf(run, trans);
  }
}

function outcomeOf(run: RunView, trans: IContext['trans']): string {
  switch (run.outcome) {
    case 'ok':
      return trans.__('done');
    case 'error':
      return trans.__('raised an error');
    case 'cancelled':
      return trans.__('stopped');
    case 'timed-out':
      return trans.__('took too long');
    case 'refused':
      return trans.__('refused');
    default:
      return trans.__('lost');
  }
}

/** What is said of it beside its name: nothing where the dot says all. */
function wordsOf(run: RunView, context: IContext): string {
  if (run.state === 'running' || run.outcome === 'ok') {
    return '';
  }
  if (run.state !== 'ended') {
    return run.why || stateOf(run, context);
  }
  return run.reason?.message ?? stateOf(run, context);
}
