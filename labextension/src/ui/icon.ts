import { LabIcon } from '@jupyterlab/ui-components';

import svgstr from '../../style/icons/far.svg';

export const farIcon = new LabIcon({ name: 'farcell:far', svgstr });
