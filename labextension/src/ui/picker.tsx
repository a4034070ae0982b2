import type { Notebook } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { caretDownEmptyIcon, ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { changeTo, LOCAL, wantedBy } from '../model/magic';
import { choicesFor } from '../model/picker';
import type { IFleetModel } from '../tokens';
import { choiceText } from './headerwords';

type SharedCell = Notebook['widgets'][number]['model']['sharedModel'];

export interface IPickerContext {
  readonly fleet: IFleetModel;
  readonly trans: TranslationBundle;
  /** Somebody is about to choose. */
  onOpen(): void;
}

/** In a notebook's toolbar: where the active cell runs, and the choice of another place. */
export class PickerWidget extends ReactWidget {
  constructor(
    private readonly _notebook: Notebook,
    private readonly _context: IPickerContext
  ) {
    super();
    this.addClass('fc-Picker');
    _notebook.activeCellChanged.connect(this._follow, this);
    _context.fleet.changed.connect(this.update, this);
    this._follow();
  }

  override dispose(): void {
    this._context.fleet.changed.disconnect(this.update, this);
    this._notebook.activeCellChanged.disconnect(this._follow, this);
    this._cell?.changed.disconnect(this.update, this);
    super.dispose();
  }

  protected override render(): JSX.Element {
    const { fleet, trans } = this._context;
    const wanted = this._cell === null ? LOCAL : wantedBy(this._cell.getSource());
    const choices = choicesFor(fleet.nodes, wanted);
    const chosen = choices.find(choice => choice.wanted === wanted);
    const isAtRest = this._cell === null || isLocked(this._cell);
    return (
      // The toolbar has room for a name only; the select, which lies over it unseen, has all that there is to know.
      <div className={isAtRest ? 'fc-Picker-box fc-mod-disabled' : 'fc-Picker-box'}>
        <span aria-hidden="true">{chosen && choiceText({ ...chosen, stock: null }, trans)}</span>
        <caretDownEmptyIcon.react tag="span" aria-hidden="true" />
        <select
          value={wanted}
          disabled={isAtRest}
          aria-label={trans.__('Where this cell runs')}
          title={trans.__('Where this cell runs: it puts, changes or removes the %%gpu line')}
          onFocus={event => {
            // Else the toolbar would move the focus to another of its items.
            event.stopPropagation();
            this._context.onOpen();
          }}
          onChange={event => this._choose(event.target.value)}
          onKeyDown={event => event.key === 'Enter' && this._notebook.activate()}
        >
          {choices.map(choice => (
            <option key={choice.wanted} value={choice.wanted}>
              {choiceText(choice, trans)}
            </option>
          ))}
        </select>
      </div>
    );
  }

  private _follow(): void {
    const model = this._notebook.activeCell?.model;
    this._cell?.changed.disconnect(this.update, this);
    this._cell = model?.type === 'code' ? model.sharedModel : null;
    this._cell?.changed.connect(this.update, this);
    this.update();
  }

  private _choose(wanted: string): void {
    if (this._cell !== null) {
      ask(this._cell, wanted);
      this.update();
      this._notebook.activate();
    }
  }

  private _cell: SharedCell | null = null;
}

/** Whether the notebook says that nobody may edit the cell. */
export function isLocked(cell: SharedCell): boolean {
  return cell.getMetadata('editable') === false;
}

/** Make a cell ask for `wanted`, as one step that can be undone; a locked one stays as it is. */
export function ask(cell: SharedCell, wanted: string): void {
  const edit = changeTo(cell.getSource(), wanted);
  if (edit === null || isLocked(cell)) {
    return;
  }
  // What is typed within half a second would else be undone with it.
  const history = (cell as { undoManager?: { stopCapturing(): void } | null }).undoManager;
  history?.stopCapturing();
  cell.updateSource(edit.start, edit.end, edit.text);
  history?.stopCapturing();
}
