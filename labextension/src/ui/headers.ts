/** The headers of one notebook's cells. */

import type { ICodeCellModel } from '@jupyterlab/cells';
import { NotebookActions, NotebookPanel } from '@jupyterlab/notebook';
import type { IDisposable } from '@lumino/disposable';
import type { PanelLayout } from '@lumino/widgets';

import type { CellRuns } from '../model/cells';
import { headerOf, IHeader, ISending } from '../model/header';
import { markIn } from '../model/statusline';
import type { INotebookNames } from '../tokens';
import { HeaderWidget, IHeaderContext } from './header';

type Cell = NotebookPanel['content']['widgets'][number];
type Execution = { notebook: NotebookPanel['content']; cell: Cell };

/** On a cell whose run is shown above it, so that the line among its outputs need not say the same. */
const TOLD_CLASS = 'fc-mod-told';

/** What the far code raises, and what its kernel makes of that where the button was the kernel's. */
const INTERRUPTS = new Set<unknown>(['KeyboardInterrupt', 'FarInterrupt']);

export class NotebookHeaders implements IDisposable {
  /** `onShown` is called when a cell is given something to show. */
  constructor(
    private readonly _panel: NotebookPanel,
    private readonly _runs: CellRuns,
    private readonly _names: INotebookNames,
    private readonly _context: IHeaderContext,
    private readonly _onShown: () => void
  ) {
    const { content } = _panel;
    content.modelChanged.connect(this._newModel, this);
    NotebookActions.executionScheduled.connect(this._scheduled, this);
    NotebookActions.executed.connect(this._executed, this);
    _panel.disposed.connect(this.dispose, this);
    this._newModel();
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Runs have changed. */
  look(): void {
    this._headers.forEach((header, cell) => this._lookAt(cell, header));
  }

  dispose(): void {
    this._isDisposed = true;
    NotebookActions.executionScheduled.disconnect(this._scheduled, this);
    NotebookActions.executed.disconnect(this._executed, this);
    this._panel.content.modelChanged.disconnect(this._newModel, this);
    this._headers.clear();
  }

  private _newModel(): void {
    this._panel.content.model?.cells.changed.connect(this._newCells, this);
    this._newCells();
  }

  private _newCells(): void {
    for (const cell of this._panel.content.widgets) {
      if (cell.model.type === 'code' && !this._headers.has(cell)) {
        this._add(cell);
      }
    }
  }

  private _add(cell: Cell): void {
    const header = new HeaderWidget(() => this._read(cell), this._context);
    this._headers.set(cell, header);
    cell.model.sharedModel.changed.connect((_, change) => {
      // What is said while it runs changes nothing here.
      const isOutput = 'outputsChange' in change || 'streamOutputChange' in change;
      if (!isOutput || header.header?.standing === 'error') {
        this._lookAt(cell, header);
      }
    });
    cell.disposed.connect(() => {
      this._headers.delete(cell);
      header.dispose();
    });
    // Until it is ready, a cell has no parts between which the header could be.
    void cell.ready.then(() => {
      if (!cell.isDisposed && !this._isDisposed) {
        (cell.layout as PanelLayout).insertWidget(1, header);
      }
    });
    this._lookAt(cell, header);
  }

  private _read(cell: Cell): IHeader | null {
    const shared = cell.model.sharedModel;
    const executionCount = 'execution_count' in shared ? shared.execution_count : null;
    const sending = this._sending.get(cell) ?? null;
    const now = { source: shared.getSource(), executionCount, wasInterrupted: wasInterrupted(cell), sending };
    return headerOf(now, this._runOf(cell));
  }

  private _lookAt(cell: Cell, header: HeaderWidget): void {
    if (cell.isDisposed) {
      return;
    }
    header.look();
    const shown = header.header;
    cell.toggleClass(TOLD_CLASS, shown !== null && shown.since !== null && !shown.isOther);
    if (shown !== null) {
      this._onShown();
    }
  }

  private _scheduled(_: unknown, { notebook, cell }: Execution): void {
    if (notebook === this._panel.content) {
      this._send(cell, { before: this._runOf(cell)?.run ?? null, isOver: false, wasSent: false });
    }
  }

  private _executed(_: unknown, { notebook, cell, success }: Execution & { success: boolean }): void {
    const sending = this._sending.get(cell);
    if (notebook === this._panel.content && sending !== undefined) {
      this._send(cell, { ...sending, isOver: true, wasSent: success || markIn(outputsOf(cell)) !== null });
    }
  }

  private _send(cell: Cell, sending: ISending): void {
    this._sending.set(cell, sending);
    const header = this._headers.get(cell);
    if (header !== undefined) {
      this._lookAt(cell, header);
    }
  }

  private _runOf(cell: Cell): ReturnType<CellRuns['runOf']> {
    return this._runs.runOf(cell.model.id, name => this._names.means(name, this._panel.context.localPath) === true);
  }

  private readonly _headers = new Map<Cell, HeaderWidget>();
  private readonly _sending = new WeakMap<Cell, ISending>();
  private _isDisposed = false;
}

function wasInterrupted(cell: Cell): boolean {
  const { outputs } = cell.model as ICodeCellModel;
  for (let index = outputs.length - 1; index >= 0; index--) {
    const output = outputs.get(index);
    if (output.type === 'error') {
      return INTERRUPTS.has(output.toJSON().ename);
    }
  }
  return false;
}

function outputsOf(cell: Cell): object[] {
  const { sharedModel } = cell.model;
  return 'outputs' in sharedModel ? sharedModel.outputs : [];
}
