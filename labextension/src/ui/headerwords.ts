/** What a cell's header and the picker say of GPUs, in the language of the page. */

import type { TranslationBundle } from '@jupyterlab/translation';

import { devicesText, IHeader, Standing } from '../model/header';
import { ANY, CPU, LOCAL, readSpec } from '../model/magic';
import type { IChoice } from '../model/picker';

/** "any GPU", "2 × H100", "A100 or H100". */
export function specText(spec: string, trans: TranslationBundle): string {
  const { models, count } = readSpec(spec);
  const names = models.map(model => (model === ANY ? trans.__('any GPU') : model === CPU ? 'CPU' : model));
  const text = names.length > 1 ? trans.__('%1 or %2', names.slice(0, -1).join(', '), names[names.length - 1]) : names[0];
  return count > 1 ? `${count} × ${text}` : text;
}

/** Whether the run of which there is something to say is not the one that the cell would be now. */
export function isPast(header: IHeader): boolean {
  return header.isOther && !header.isLiving;
}

/** What it runs or ran on; as long as that is not decided, or where something else is asked for by now, what is asked for. */
export function whereText(header: IHeader, trans: TranslationBundle): string {
  return isPast(header) ? specText(header.gpu, trans) : devicesText(header.devices) || specText(header.gpu, trans);
}

/** How it stands, in one or two words. */
export function standingText(header: IHeader, trans: TranslationBundle): string {
  if (isPast(header)) {
    const devices = devicesText(header.devices);
    return devices === '' ? trans.__('not run there yet') : trans.__('not run there yet, last on %1', devices);
  }
  const words: Record<Standing, string> = {
    new: trans.__('not run yet'),
    unknown: '',
    sent: trans.__('waiting'),
    unsent: trans.__('was not sent'),
    queued: trans.__('queued'),
    starting: trans.__('starting'),
    running: trans.__('running'),
    ok: trans.__('done'),
    error: trans.__('failed'),
    cancelled: trans.__('stopped'),
    lost: trans.__('lost'),
    refused: trans.__('refused'),
    'timed-out': trans.__('timed out')
  };
  return words[header.standing];
}

/** "H100 (3 of 4 free)". */
export function choiceText(choice: IChoice, trans: TranslationBundle): string {
  if (choice.wanted === LOCAL) {
    return trans.__('Local');
  }
  if (choice.wanted === CPU || choice.wanted === ANY) {
    return choice.wanted === CPU ? trans.__('Far CPU') : trans.__('Any GPU');
  }
  const text = specText(choice.wanted, trans);
  if (choice.stock === null) {
    return text;
  }
  const free = trans.__('%1 of %2 free', choice.stock.free, choice.stock.total);
  return choice.stock.isSimulated ? trans.__('%1 (%2, simulated)', text, free) : `${text} (${free})`;
}
