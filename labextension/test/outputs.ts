import type { RunView } from '../src/api/types';
import type { ShownFrame } from '../src/model/following';
import type { IOutputs } from '../src/model/replay';
import type { IOutput } from '../src/model/statusline';
import { runView } from './views';

/** Joins text of one stream, as JupyterLab does. */
export class Outputs implements IOutputs {
  list: IOutput[] = [];
  get length(): number {
    return this.list.length;
  }
  add(output: IOutput): void {
    const last = this.list[this.list.length - 1];
    if (output.output_type === 'stream' && last?.output_type === 'stream' && last.name === output.name) {
      last.text = `${String(last.text)}${String(output.text)}`;
    } else {
      this.list.push({ ...output });
    }
  }
  set(index: number, output: IOutput): void {
    this.list[index] = output;
  }
  clear(): void {
    this.list = [];
  }
  get texts(): unknown[] {
    return this.list.map(one => one.text ?? (one.data as { 'text/plain': unknown } | undefined)?.['text/plain'] ?? one.ename);
  }
}

export const said = (text: string, name = 'stdout'): ShownFrame => message('stream', { name, text });

export function message(msg_type: string, content: Record<string, unknown>, metadata = {}): ShownFrame {
  return { type: 'message', msg_type, content, metadata };
}

export function run(fields: Partial<RunView> = {}): RunView {
  return runView('r-1', { title: '', notebook: '/root/a.ipynb', cell_id: 'c1', created: 1, ...fields });
}
