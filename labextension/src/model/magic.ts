/** The `%%gpu` line of a cell: what it asks for, and how to change that without touching anything else. Pure. */

/** What a cell without a magic, or with `%%local`, asks for. */
export const LOCAL = 'local';
export const ANY = 'any';
export const CPU = 'cpu';

/** A change of a text: what is between `start` and `end` becomes `text`. */
export interface IEdit {
  start: number;
  end: number;
  text: string;
}

interface ILine {
  name: 'gpu' | 'local';
  /** Where the line begins, where its `%%name` ends, and where the line ends without its line break. */
  start: number;
  behindName: number;
  end: number;
  /** The first word that is no option, where there is one. */
  spec: { start: number; end: number; text: string } | null;
}

/** IPython leaves out empty lines before a cell's first one. */
const MAGIC = /^(?:[ \t]*\r?\n)*[ \t]*(%%(gpu|local))(?=\s|$)([^\r\n]*)/;
const WORD = /(?:"[^"]*"|'[^']*'|\\.|[^\s"'\\])+/g;
const REMARK = /(^|\s)#.*/;
const VALUED = ['--session', '--timeout'];

/** What a cell asks for: a specification in its canonical form, as the executor writes it, or "local". */
export function wantedBy(source: string): string {
  const line = magicLine(source);
  return line?.name === 'gpu' ? canonical(line.spec?.text ?? '') : LOCAL;
}

/**
 * What makes a cell ask for `wanted`, which is a specification or "local"; null if it does already. Options such as
 * `--session` stay, and so does a remark.
 */
export function changeTo(source: string, wanted: string): IEdit | null {
  const line = magicLine(source);
  if (wanted === LOCAL) {
    return line?.name === 'gpu' ? { start: line.start, end: behindBreak(source, line.end), text: '' } : null;
  }
  const spec = wanted === ANY ? '' : ` ${wanted}`;
  if (line === null) {
    return { start: 0, end: 0, text: `%%gpu${spec}\n` };
  }
  if (line.name === 'local') {
    return { start: line.start, end: line.behindName, text: `%%gpu${spec}` };
  }
  if (canonical(line.spec?.text ?? '') === canonical(wanted)) {
    return null;
  }
  const { start, end } = line.spec ?? { start: line.behindName, end: line.behindName };
  const blanks = source.slice(line.behindName, start).length - source.slice(line.behindName, start).trimEnd().length;
  return { start: start - blanks, end, text: spec };
}

/** Equal for equal specifications, and as the executor writes them; what is none comes back as it is. */
export function canonical(spec: string): string {
  if (spec.toLowerCase() === CPU || spec === '') {
    return spec === '' ? ANY : CPU;
  }
  const parts = spec.split(',').map(part => part.trim().split(':'));
  const count = parts.map(part => part[1]).find(one => one !== undefined) ?? '1';
  const models = parts.map(([model]) => (model.toLowerCase() === ANY ? ANY : model.toUpperCase()));
  const suffix = Number(count) === 1 ? '' : `:${Number(count) || count}`;
  return [...new Set(models)].map(model => `${model}${suffix}`).join(',');
}

/** The models that a specification names, in order of preference, and how many of one of them. */
export function readSpec(spec: string): { models: string[]; count: number } {
  const parts = canonical(spec).split(',');
  return { models: parts.map(part => part.split(':')[0]), count: Number(parts[0].split(':')[1] ?? 1) };
}

function magicLine(source: string): ILine | null {
  const found = MAGIC.exec(source);
  if (found === null) {
    return null;
  }
  const [whole, head, name, rest] = found;
  const behindName = whole.length - rest.length;
  return {
    name: name as ILine['name'],
    start: behindName - head.length,
    behindName,
    end: whole.length,
    spec: specIn(rest, behindName)
  };
}

function specIn(rest: string, offset: number): ILine['spec'] {
  let isValue = false;
  for (const word of rest.replace(REMARK, '').matchAll(WORD)) {
    const [text] = word;
    if (!isValue && !text.startsWith('-')) {
      const start = offset + word.index;
      return { start, end: start + text.length, text: text.replace(/["']/g, '') };
    }
    isValue = !isValue && VALUED.includes(text);
  }
  return null;
}

function behindBreak(source: string, end: number): number {
  return end + (/^\r?\n/.exec(source.slice(end))?.[0].length ?? 0);
}
