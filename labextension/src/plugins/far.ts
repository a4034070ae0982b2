/** The link to the executor and the model behind it, for the other plugins. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';

import { ISocket, Live } from '../api/live';
import { namedNotebook } from '../api/notebooks';
import { liveUrl, RestApi } from '../api/restapi';
import { NotebookNames } from '../model/cells';
import { FleetModel } from '../model/fleet';
import { Following } from '../model/following';
import { IFar } from '../tokens';

export const farPlugin: JupyterFrontEndPlugin<IFar> = {
  id: '@farcell/labextension:far',
  description: 'GPUs, sessions and runs of the executor behind the Jupyter server, kept up to date.',
  autoStart: true,
  provides: IFar,
  optional: [INotebookTracker],
  activate: (app: JupyterFrontEnd, tracker: INotebookTracker | null): IFar => {
    const settings = app.serviceManager.serverSettings;
    const fleet = new FleetModel();
    const following = new Following(message => void live.say(message));
    const live: Live = new Live(() => new settings.WebSocket(liveUrl(settings)) as ISocket, {
      onState: state => {
        fleet.setLink(state);
        if (state.kind === 'up') {
          live.say({ type: 'watch' });
          following.linkUp();
        }
      },
      onMessage: message => {
        fleet.take(message);
        following.take(message);
      }
    });
    const names = new NotebookNames(name => namedNotebook(name, settings));
    tracker?.widgetAdded.connect((_, panel) => panel.context.pathChanged.connect(() => names.forget()));
    window.addEventListener('online', () => live.tryNow());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') {
        live.tryNow();
      }
    });
    return {
      fleet,
      executor: new RestApi(settings),
      names,
      open: () => live.open(),
      tryNow: () => live.tryNow(),
      follow: (run, after, follower) => following.follow(run, after, follower)
    };
  }
};
