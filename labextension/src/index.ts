/** The list of plugins, nothing else. */

import { farPlugin } from './plugins/far';
import { panelPlugin } from './plugins/panel';

export default [farPlugin, panelPlugin];
