/** What comes from the server is looked at here, once; behind it, types hold. */

import type { ErrorInfo, ToBrowser } from './types';

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
const isList = (value: unknown): boolean => value === undefined || Array.isArray(value);

const SHAPES: Record<ToBrowser['type'], (fields: Fields) => boolean> = {
  up: () => true,
  down: fields => isError(fields.error) && typeof fields.again_s === 'number',
  changed: fields => isObject(fields.view) && typeof fields.view.run === 'string',
  frames: fields =>
    typeof fields.run === 'string' && typeof fields.first === 'number' && Array.isArray(fields.frames),
  fleet: fields => isList(fields.nodes) && isList(fields.sessions) && isList(fields.runs),
  refused: fields => isError(fields.error)
};

/** Whether `value` is an error in the form that it has everywhere. */
export function isError(value: unknown): value is ErrorInfo {
  return isObject(value) && typeof value.code === 'string' && typeof value.message === 'string';
}

/**
 * A message of the websocket; null for one of a newer server's that is not known here.
 *
 * @throws Error if it is none at all: then nothing that follows can be trusted.
 */
export function readMessage(text: unknown): ToBrowser | null {
  const found: unknown = typeof text === 'string' ? JSON.parse(text) : null;
  if (!isObject(found) || typeof found.type !== 'string') {
    throw new Error('the server sent what is no message');
  }
  if (!Object.hasOwn(SHAPES, found.type)) {
    return null;
  }
  if (!SHAPES[found.type as ToBrowser['type']](found)) {
    throw new Error(`the server sent a message "${found.type}" that cannot be read`);
  }
  return found as ToBrowser;
}
