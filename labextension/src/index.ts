/** The list of plugins, nothing else. */

import { cellPlugin } from './plugins/cell';
import { commandsPlugin } from './plugins/commands';
import { farPlugin } from './plugins/far';
import { panelPlugin } from './plugins/panel';
import { pickerPlugin } from './plugins/picker';
import { reattachPlugin } from './plugins/reattach';

export default [farPlugin, commandsPlugin, panelPlugin, cellPlugin, pickerPlugin, reattachPlugin];
