/** GPUs as the panel shows them: grouped by model, counted. Pure. */

import type { NodeView, RunView, SessionView } from '../api/types';
import { sessionName } from './running';

export interface IGpuGroup {
  key: string;
  node: string;
  isConnected: boolean;
  model: string;
  simulated: boolean;
  total: number;
  used: number;
  /** The sessions that use them. */
  sessions: readonly string[];
  /** Neither used nor to be had. */
  troubled: number;
  /** One each, where there is any: what is wrong. */
  troubles: readonly string[];
  memoryBytes: number | null;
}

/** One group per node, model and kind; a simulated GPU is never counted with real ones. */
export function groupGpus(nodes: readonly NodeView[]): IGpuGroup[] {
  const groups = new Map<string, IGpuGroup>();
  for (const node of nodes) {
    for (const device of node.devices ?? []) {
      const simulated = device.simulated ?? false;
      const key = [node.node, device.model, simulated].join('\n');
      const group = groups.get(key) ?? {
        key,
        node: node.name,
        isConnected: node.state === 'connected',
        model: device.model,
        simulated,
        total: 0,
        used: 0,
        sessions: [],
        troubled: 0,
        troubles: [],
        memoryBytes: device.memory_bytes ?? null
      };
      const isUsed = Boolean(device.session);
      groups.set(key, {
        ...group,
        total: group.total + 1,
        used: group.used + (isUsed ? 1 : 0),
        sessions: device.session ? [...group.sessions, device.session] : group.sessions,
        troubled: group.troubled + (device.trouble && !isUsed ? 1 : 0),
        troubles: device.trouble ? [...group.troubles, device.trouble] : group.troubles
      });
    }
  }
  return [...groups.values()];
}

/** The runs that wait for a GPU, in the order in which they wait. */
export function queue(runs: readonly RunView[]): RunView[] {
  return runs
    .filter(run => run.state === 'queued' && run.gpu !== 'cpu')
    .sort((one, other) => (one.place ?? Infinity) - (other.place ?? Infinity));
}

/** Who uses a group's GPUs, as far as one may see it: each session's name once. */
export function holders(group: IGpuGroup, sessions: readonly SessionView[]): string[] {
  const held = sessions.filter(one => group.sessions.includes(one.session));
  return [...new Set(held.map(sessionName))];
}

/** What GPU hosts say of themselves; one whose GPUs are all simulated need not say why it has no others. */
export function notesOf(nodes: readonly NodeView[]): { node: string; note: string }[] {
  return nodes
    .filter(node => (node.devices ?? []).length === 0 || node.devices?.some(device => !device.simulated))
    .flatMap(node => (node.notes ?? []).map(note => ({ node: node.name, note })));
}
