import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ISocket, ITimers, LinkState, Live } from '../src/api/live';
import type { ToBrowser } from '../src/api/types';

class Socket implements ISocket {
  onopen: ISocket['onopen'] = null;
  onmessage: ISocket['onmessage'] = null;
  onclose: ((event: never) => unknown) | null = null;
  readonly said: string[] = [];
  isClosed = false;
  send(text: string): void {
    this.said.push(text);
  }
  close(): void {
    this.isClosed = true;
  }
  hear(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }
  breakOff(): void {
    this.onclose?.(undefined as never);
  }
}

/** A clock that is moved, and its timers. */
class Timers implements ITimers {
  time = 0;
  private _waiting: { at: number; act: () => void }[] = [];
  now(): number {
    return this.time;
  }
  after(milliseconds: number, act: () => void): () => void {
    const one = { at: this.time + milliseconds, act };
    this._waiting.push(one);
    return () => {
      this._waiting = this._waiting.filter(other => other !== one);
    };
  }
  /** Let time pass; with `asleep` no timer runs before the end of it. */
  pass(milliseconds: number, asleep = false): void {
    const end = this.time + milliseconds;
    for (;;) {
      const next = this._waiting.filter(one => one.at <= end).sort((one, other) => one.at - other.at)[0];
      if (next === undefined) {
        break;
      }
      this._waiting = this._waiting.filter(one => one !== next);
      this.time = asleep ? end : next.at;
      next.act();
    }
    this.time = end;
  }
  get waiting(): number {
    return this._waiting.length;
  }
}

function opened(): { live: Live; sockets: Socket[]; timers: Timers; states: LinkState[]; heard: ToBrowser[] } {
  const [sockets, states, heard, timers] = [[] as Socket[], [] as LinkState[], [] as ToBrowser[], new Timers()];
  const dial = (): Socket => {
    sockets.push(new Socket());
    return sockets[sockets.length - 1];
  };
  const listener = {
    onState: (state: LinkState) => void states.push(state),
    onMessage: (message: ToBrowser) => void heard.push(message)
  };
  const live = new Live(dial, listener, timers);
  live.open();
  return { live, sockets, timers, states, heard };
}

test('nothing is said before the executor is there', () => {
  const { live, sockets } = opened();
  assert.equal(live.say({ type: 'watch' }), false);
  sockets[0].hear({ type: 'up' });
  assert.equal(live.say({ type: 'watch' }), true);
  assert.deepEqual(sockets[0].said, ['{"type":"watch"}']);
  sockets[0].hear({ type: 'down', error: { code: 'unavailable', message: 'gone' }, again_s: 1 });
  assert.equal(live.say({ type: 'watch' }), false);
});

test('a link that breaks is made again, each time after a longer wait', () => {
  const { sockets, timers, states } = opened();
  for (let tries = 0; tries < 8; tries++) {
    sockets[sockets.length - 1].breakOff();
    assert.equal(states[states.length - 1].kind, 'offline');
    timers.pass(Math.min(10_000, 500 * 2 ** tries) - 1);
    assert.equal(sockets.length, tries + 1);
    timers.pass(1);
    assert.equal(sockets.length, tries + 2);
  }
  sockets[8].hear({ type: 'up' });
  sockets[8].breakOff();
  timers.pass(500);
  assert.equal(sockets.length, 10);
});

test('a page that slept connects anew, though nothing told it that its link is dead', () => {
  const { sockets, timers } = opened();
  sockets[0].hear({ type: 'up' });
  timers.pass(3_600_000);
  assert.equal(sockets.length, 1);
  timers.pass(3_600_000, true);
  assert.equal(sockets.length, 2);
  assert.equal(sockets[0].isClosed, true);
});

test('a word from a link that was given up is not heard', () => {
  const { sockets, timers, states, heard } = opened();
  const old = sockets[0].onmessage;
  sockets[0].breakOff();
  timers.pass(500);
  const before = states.length;
  old?.({ data: '{"type":"up"}' });
  old?.({ data: '{"type":"fleet"}' });
  assert.equal(states.length, before);
  assert.deepEqual(heard, []);
});

test('what cannot be read ends the link, and the next one says it again', () => {
  const { sockets, timers, heard } = opened();
  sockets[0].hear({ type: 'up' });
  sockets[0].hear({ type: 'news of a newer server' });
  sockets[0].hear({ type: 'fleet', runs: 7 });
  assert.equal(sockets[0].isClosed, true);
  timers.pass(500);
  sockets[1].hear({ type: 'up' });
  sockets[1].hear({ type: 'fleet', whole: true });
  assert.deepEqual(heard, [{ type: 'fleet', whole: true }]);
});

test('when the network is back there is no waiting', () => {
  const { live, sockets, timers } = opened();
  for (let tries = 0; tries < 5; tries++) {
    sockets[sockets.length - 1].breakOff();
    timers.pass(10_000);
  }
  sockets[sockets.length - 1].breakOff();
  const before = sockets.length;
  live.tryNow();
  live.tryNow();
  assert.equal(sockets.length, before + 1);
});

test('disposing ends everything, also twice', () => {
  const { live, sockets, timers } = opened();
  live.dispose();
  live.dispose();
  live.open();
  live.tryNow();
  assert.equal(sockets.length, 1);
  assert.equal(sockets[0].isClosed, true);
  assert.equal(timers.waiting, 0);
});
