import { LabIcon, SidePanel } from '@jupyterlab/ui-components';
import type { ITranslator } from '@jupyterlab/translation';
import { AccordionPanel } from '@lumino/widgets';

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
    const gpus = new GpusWidget(options.context);
    gpus.title.label = trans.__('GPUs');
    this._running.title.label = trans.__('Running');
    this.addWidget(gpus);
    this.addWidget(this._running);
  }

  /** Another notebook is looked at. */
  lookAgain(): void {
    this._running.update();
  }

  protected override onAfterShow(): void {
    const content = this.content;
    if (!this._isSized && content instanceof AccordionPanel) {
      // There are few kinds of GPU, and many runs. Before it is laid out, it has no sizes to set.
      this._isSized = true;
      requestAnimationFrame(() => content.setRelativeSizes([1, 2]));
    }
    this._onFirstShow();
    this._onFirstShow = () => undefined;
  }

  private readonly _running: RunningWidget;
  private _isSized = false;
  private _onFirstShow: () => void;
}
