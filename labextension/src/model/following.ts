/** Runs that are followed, by any number of followers, over a link that breaks. Pure. */

import type { ErrorInfo, FromBrowser, RunView, ShownFrames, ToBrowser } from '../api/types';

export type ShownFrame = ShownFrames['frames'][number];

/** Is told of one run: every frame once, by number and without gaps. */
export interface IFollower {
  /** Frames numbered from `first`. */
  onFrames(first: number, frames: readonly ShownFrame[]): void;
  /** The run's state; "ended" comes behind its last frame. */
  onChanged?(run: RunView): void;
  /** It cannot be followed; nothing more comes. */
  onRefused?(error: ErrorInfo): void;
}

interface IPlace {
  follower: IFollower;
  /** The last frame that it was told. */
  last: number;
}

export class Following {
  /** `say` drops what is said without a link. */
  constructor(private readonly _say: (message: FromBrowser) => void) {}

  /** Tell `follower` of all frames after number `after`; the answer ends that, and may be called twice. */
  follow(run: string, after: number, follower: IFollower): () => void {
    const places = this._runs.get(run) ?? new Set<IPlace>();
    const place = { follower, last: after };
    places.add(place);
    this._runs.set(run, places);
    this._ask(run, places);
    return () => {
      if (places.delete(place) && places.size === 0 && this._runs.get(run) === places) {
        this._forget(run);
        this._say({ type: 'unfollow', run });
      }
    };
  }

  /** The link is up: nothing is followed at its other end yet. */
  linkUp(): void {
    this._runs.forEach((places, run) => this._ask(run, places));
  }

  /** Take what the server said; what is not about a followed run is not for here. */
  take(message: ToBrowser): void {
    if (message.type === 'frames') {
      this._pass(message);
    } else if (message.type === 'changed') {
      this._each(message.view.run, follower => follower.onChanged?.(message.view));
      if (message.view.state === 'ended') {
        this._forget(message.view.run);
      }
    } else if (message.type === 'refused' && message.run !== null) {
      // An interrupt may be refused as well, and ends nothing.
      if (message.error.code === 'not-found' || message.error.code === 'pruned' || message.error.code === 'forbidden') {
        this._each(message.run, follower => follower.onRefused?.(message.error));
        this._forget(message.run);
      }
    }
  }

  private _ask(run: string, places: ReadonlySet<IPlace>): void {
    const last = Math.min(...[...places].map(place => place.last));
    // A message that came in part comes again from its first part.
    const after = Math.min(last, this._whole.get(run) ?? last);
    this._whole.set(run, after);
    this._say({ type: 'follow', run, after });
  }

  private _pass({ run, first, frames }: ShownFrames): void {
    const whole = frames.map(frame => frame.type !== 'piece').lastIndexOf(true);
    if (whole >= 0) {
      this._whole.set(run, first + whole);
    }
    for (const place of this._places(run)) {
      const known = Math.max(0, place.last + 1 - first);
      if (known < frames.length) {
        place.last = first + frames.length - 1;
        place.follower.onFrames(first + known, frames.slice(known));
      }
    }
  }

  private _each(run: string, tell: (follower: IFollower) => void): void {
    this._places(run).forEach(place => tell(place.follower));
  }

  private _places(run: string): IPlace[] {
    return [...(this._runs.get(run) ?? [])];
  }

  private _forget(run: string): void {
    this._runs.delete(run);
    this._whole.delete(run);
  }

  private readonly _runs = new Map<string, Set<IPlace>>();
  /** The last frame of each run behind which no message is left half. */
  private readonly _whole = new Map<string, number>();
}
