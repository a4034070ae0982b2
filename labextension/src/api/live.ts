/** The one websocket to the Jupyter server, kept open across everything that breaks it. Knows nothing of Jupyter. */

import type { ErrorInfo, FromBrowser, ToBrowser } from './types';
import { readMessage } from './validate';

/** What is used of a `WebSocket`. */
export interface ISocket {
  onopen: ((event: never) => unknown) | null;
  onmessage: ((event: { data: unknown }) => unknown) | null;
  onclose: ((event: never) => unknown) | null;
  send(text: string): void;
  close(): void;
}

/** What is used of the clock. */
export interface ITimers {
  now(): number;
  after(milliseconds: number, act: () => void): () => void;
}

export const realTimers: ITimers = {
  now: () => Date.now(),
  after: (milliseconds, act) => {
    const timer = setTimeout(act, milliseconds);
    return () => clearTimeout(timer);
  }
};

/**
 * Where the link stands: `connecting` to the Jupyter server, `up` to the executor at the address `where` (empty for the
 * server's own), `down` if the Jupyter server cannot
 * reach it (with the reason), `offline` if the Jupyter server itself does not answer.
 */
export type LinkState =
  { kind: 'connecting' } | { kind: 'up'; where: string } | { kind: 'down'; error: ErrorInfo } | { kind: 'offline' };

export interface IListener {
  /** The link changed. After each `up` everything wanted has to be said again. */
  onState(state: LinkState): void;
  onMessage(message: ToBrowser): void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const LOOK_EVERY_MS = 10_000;
const SLEPT_MS = 45_000;

export class Live {
  constructor(dial: () => ISocket, listener: IListener, timers: ITimers = realTimers) {
    this._dial = dial;
    this._listener = listener;
    this._timers = timers;
  }

  get isDisposed(): boolean {
    return this._isDisposed;
  }

  /** Connect, and stay connected. Again: nothing. */
  open(): void {
    if (this._isDisposed || this._isOpen) {
      return;
    }
    this._isOpen = true;
    this._looked = this._timers.now();
    this._look();
    this._connect();
  }

  /** Say something now; without a link it is dropped, since after the next `up` everything is said again. */
  say(message: FromBrowser): boolean {
    if (this._state !== 'up' || this._socket === null) {
      return false;
    }
    this._socket.send(JSON.stringify(message));
    return true;
  }

  /** The network is back, or the page is looked at again, or somebody asks for it: do not wait any longer. */
  tryNow(): void {
    if (this._isOpen && (this._socket === null || this._state === 'down')) {
      this._connect();
    }
  }

  dispose(): void {
    this._isDisposed = true;
    this._isOpen = false;
    this._stopWaiting();
    this._stopLooking();
    this._drop();
  }

  private _connect(): void {
    this._stopWaiting();
    this._drop();
    this._become({ kind: 'connecting' });
    const socket = (this._socket = this._dial());
    socket.onmessage = event => this._receive(socket, event.data);
    socket.onclose = () => this._lost(socket);
  }

  private _receive(socket: ISocket, data: unknown): void {
    if (socket !== this._socket) {
      return;
    }
    let message: ToBrowser | null;
    try {
      message = readMessage(data);
    } catch {
      // What was missed by that comes again by number.
      this._drop();
      this._wait();
      return;
    }
    this._tries = 0;
    if (message?.type === 'up') {
      this._become({ kind: 'up', where: message.where ?? '' });
    } else if (message?.type === 'down') {
      this._become({ kind: 'down', error: message.error });
    } else if (message !== null) {
      this._listener.onMessage(message);
    }
  }

  private _lost(socket: ISocket): void {
    if (socket === this._socket) {
      this._socket = null;
      this._wait();
    }
  }

  private _wait(): void {
    this._become({ kind: 'offline' });
    const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(this._tries, 10));
    this._tries += 1;
    this._stopWaiting();
    this._stopWaiting = this._timers.after(longest, () => this._connect());
  }

  /** A page that slept finds its websocket dead long before the browser says so. */
  private _look(): void {
    this._stopLooking = this._timers.after(LOOK_EVERY_MS, () => {
      const slept = this._timers.now() - this._looked > SLEPT_MS;
      this._looked = this._timers.now();
      this._look();
      if (slept) {
        this._tries = 0;
        this._connect();
      }
    });
  }

  private _drop(): void {
    const socket = this._socket;
    this._socket = null;
    if (socket !== null) {
      socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  private _become(state: LinkState): void {
    this._state = state.kind;
    this._listener.onState(state);
  }

  private readonly _dial: () => ISocket;
  private readonly _listener: IListener;
  private readonly _timers: ITimers;
  private _socket: ISocket | null = null;
  private _state: LinkState['kind'] = 'offline';
  private _isOpen = false;
  private _isDisposed = false;
  private _tries = 0;
  private _looked = 0;
  private _stopWaiting: () => void = () => undefined;
  private _stopLooking: () => void = () => undefined;
}
