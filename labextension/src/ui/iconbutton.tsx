import type { LabIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

/** A small button that says what it does to who points at it, and to a screen reader. */
export function IconButton(props: {
  icon: LabIcon;
  label: string;
  onClick: (button: HTMLElement) => void;
  opensMenu?: boolean;
}): JSX.Element {
  return (
    <button
      type="button"
      className="jp-Button jp-mod-minimal jp-mod-styled fc-IconButton"
      title={props.label}
      aria-label={props.label}
      aria-haspopup={props.opensMenu ? 'menu' : undefined}
      onClick={event => props.onClick(event.currentTarget)}
    >
      <props.icon.react tag="span" elementSize="normal" />
    </button>
  );
}
