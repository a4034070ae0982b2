/** How much text of a run a page is given: its beginning, and in the end its last part, as the kernel does. Pure. */

export interface ILimits {
  headChars: number;
  headLines: number;
  tailChars: number;
  tailLines: number;
}

/** Those of the kernel (`farcell/bounds.py`). */
export const LIMITS: ILimits = { headChars: 10_000_000, headLines: 200_000, tailChars: 200_000, tailLines: 2_000 };

/** How often what follows a flood has the last part of the flood before it. */
const MOST_GAPS = 20;

export class Bounds {
  constructor(private readonly _limits: ILimits = LIMITS) {}

  /** Text is said: whether to show it. If not, its end is kept for `rest`. */
  shows(text: string): boolean {
    if (this._chars < this._limits.headChars && this._lines < this._limits.headLines) {
      this._grow(text);
      return true;
    }
    this._tail += text;
    if (this._tail.length > 2 * this._limits.tailChars) {
      this._trim();
    }
    return false;
  }

  /** So many bytes are not even in the log any more. */
  leaveOut(bytes: number): void {
    this._left += this._tail.length + bytes;
    this._tail = '';
  }

  /** What stands for what was not shown up to now: how much is left out, and the last of the text. */
  rest(): { left: number; text: string } {
    this._trim();
    const found = { left: this._left, text: this._gaps < MOST_GAPS ? this._tail : '' };
    this._gaps += found.left > 0 || found.text !== '' ? 1 : 0;
    this._left = 0;
    this._tail = '';
    return found;
  }

  /** What was shown is cleared, and counts for nothing. */
  clear(): void {
    this._chars = this._lines = this._width = this._left = this._gaps = 0;
    this._tail = '';
  }

  /** A line that is written over counts once. */
  private _grow(text: string): void {
    text.split('\n').forEach((line, index) => {
      if (index > 0) {
        this._lines += 1;
        this._chars += 1;
        this._width = 0;
      }
      const [first, ...others] = line.split('\r');
      const width = Math.max(this._width + first.length, ...others.map(other => other.length));
      this._chars += width - this._width;
      this._width = width;
    });
  }

  private _trim(): void {
    const lines = this._tail.split('\n').slice(-this._limits.tailLines - 1);
    const kept = lines.join('\n').slice(-this._limits.tailChars);
    this._left += this._tail.length - kept.length;
    this._tail = kept;
  }

  private _chars = 0;
  private _lines = 0;
  private _width = 0;
  private _left = 0;
  private _tail = '';
  private _gaps = 0;
}
