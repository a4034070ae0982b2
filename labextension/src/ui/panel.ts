import { LabIcon, SidePanel } from '@jupyterlab/ui-components';
import type { ITranslator } from '@jupyterlab/translation';
import { AccordionPanel } from '@lumino/widgets';

import { groupGpus } from '../model/gpus';
import type { IFleetModel } from '../tokens';
import type { IContext } from './context';
import { GpusWidget } from './gpus';
import { NoticeWidget } from './notice';
import { RunningWidget } from './running';

/** The side panel. `onFirstShow` is called once, when somebody looks at it. */
export class FarPanel extends SidePanel {
  constructor(options: { context: IContext; icon: LabIcon; translator: ITranslator; onFirstShow: () => void }) {
    super({ translator: options.translator });
    const { trans } = options.context;
    this._onFirstShow = options.onFirstShow;
    this.id = 'farcell-panel';
    this.title.icon = options.icon;
    this.title.caption = trans.__('GPUs and far cells');
    this.addClass('fc-Panel');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('GPUs and far cells'));
    this.header.addWidget(new NoticeWidget(options.context));
    this._running = new RunningWidget(options.context);
    this._gpus = new GpusWidget(options.context);
    this._gpus.title.label = trans.__('GPUs');
    this._running.title.label = trans.__('Running');
    this.addWidget(this._gpus);
    this.addWidget(this._running);
    this._fleet = options.context.fleet;
    this._fleet.changed.connect(this._size, this);
  }

  override dispose(): void {
    this._fleet.changed.disconnect(this._size, this);
    super.dispose();
  }

  /** Another notebook is looked at, or more is known of what notebooks are called. */
  lookAgain(): void {
    this._running.update();
  }

  protected override onAfterShow(): void {
    this._size();
    this._onFirstShow();
    this._onFirstShow = () => undefined;
  }

  /** As much for GPUs as they need, but no more than half; again only if there are other kinds, as people move the border. */
  private _size(): void {
    const { content } = this;
    const kinds = this._fleet.isLoaded ? groupGpus(this._fleet.nodes).length : -1;
    if (this._sizedFor === kinds || !this.isVisible || !(content instanceof AccordionPanel)) {
      return;
    }
    this._sizedFor = kinds;
    // Before it is laid out and has been drawn, it has no sizes.
    requestAnimationFrame(() => void this._gpus.renderPromise?.then(() => content.setRelativeSizes(this._shares())));
  }

  private _shares(): [number, number] {
    const room = this._gpus.node.clientHeight + this._running.node.clientHeight;
    const needed = (this._gpus.node.firstElementChild?.scrollHeight ?? 0) / Math.max(1, room);
    const share = this._sizedFor !== -1 ? Math.min(0.5, Math.max(0.1, needed)) : 0.3;
    return [share, 1 - share];
  }

  private readonly _fleet: IFleetModel;
  private readonly _gpus: GpusWidget;
  private readonly _running: RunningWidget;
  private _sizedFor: number | null = null;
  private _onFirstShow: () => void;
}
