/** The names under which the generated types are used. */

import type { components } from './generated';

type Schemas = components['schemas'];

export type DeviceView = Schemas['DeviceView'];
export type ErrorInfo = Schemas['ErrorInfo'];
export type ExecutorView = Schemas['ExecutorView'];
export type Fleet = Schemas['Fleet'];
export type FromBrowser = Schemas['FromBrowser'];
export type NodeView = Schemas['NodeView'];
export type RunView = Schemas['RunView'];
export type SessionView = Schemas['SessionView'];
export type ShownFrames = Schemas['ShownFrames'];
export type ToBrowser = Schemas['ToBrowser'];
export type Variables = Schemas['Variables'];
export type WorkerView = Schemas['WorkerView'];
