/** What is known of GPUs, sessions and runs, kept up to date by the server. */

import { ISignal, Signal } from '@lumino/signaling';

import type { LinkState } from '../api/live';
import type { Fleet, NodeView, RunView, SessionView, ToBrowser } from '../api/types';
import type { IFleetModel } from '../tokens';

/** More ended runs than that are forgotten, oldest first. */
const MOST_ENDED = 200;

export class FleetModel implements IFleetModel {
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  get link(): LinkState {
    return this._link;
  }

  /** Whether anything is known yet, be it old by now. */
  get isLoaded(): boolean {
    return this._isLoaded;
  }

  get user(): string {
    return this._user;
  }

  get nodes(): readonly NodeView[] {
    return [...this._nodes.values()];
  }

  /** The living ones. */
  get sessions(): readonly SessionView[] {
    return [...this._sessions.values()];
  }

  /** Living ones and the newest ended ones, oldest first. */
  get runs(): readonly RunView[] {
    return [...this._runs.values()].sort((one, other) => one.created - other.created);
  }

  session(id: string): SessionView | undefined {
    return this._sessions.get(id);
  }

  setLink(link: LinkState): void {
    this._link = link;
    this._changed.emit();
  }

  /** Take what the server said; what is not about the whole is not for this model. */
  take(message: ToBrowser): void {
    if (message.type === 'fleet') {
      this._apply(message);
      this._changed.emit();
    }
  }

  dispose(): void {
    Signal.clearData(this);
  }

  private _apply(fleet: Fleet): void {
    if (fleet.whole) {
      this._nodes.clear();
      this._sessions.clear();
      this._runs.clear();
      this._isLoaded = true;
      this._user = fleet.user ?? '';
    }
    fleet.nodes?.forEach(node => this._nodes.set(node.node, node));
    fleet.runs?.forEach(run => this._runs.set(run.run, run));
    fleet.sessions?.forEach(session => {
      if (session.state === 'ended') {
        this._sessions.delete(session.session);
      } else {
        this._sessions.set(session.session, session);
      }
    });
    this._forget();
  }

  private _forget(): void {
    const ended = this.runs.filter(run => run.state === 'ended');
    ended.slice(0, -MOST_ENDED).forEach(run => this._runs.delete(run.run));
  }

  private readonly _changed = new Signal<this, void>(this);
  private readonly _nodes = new Map<string, NodeView>();
  private readonly _sessions = new Map<string, SessionView>();
  private readonly _runs = new Map<string, RunView>();
  private _link: LinkState = { kind: 'connecting' };
  private _isLoaded = false;
  private _user = '';
}
