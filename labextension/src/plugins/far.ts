/** The link to the executor and the model behind it, for the other plugins. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

import { ISocket, Live } from '../api/live';
import { liveUrl, RestApi } from '../api/restapi';
import { FleetModel } from '../model/fleet';
import { Following } from '../model/following';
import { IFar } from '../tokens';

export const farPlugin: JupyterFrontEndPlugin<IFar> = {
  id: '@farcell/labextension:far',
  description: 'GPUs, sessions and runs of the executor behind the Jupyter server, kept up to date.',
  autoStart: true,
  provides: IFar,
  activate: (app: JupyterFrontEnd): IFar => {
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
    window.addEventListener('online', () => live.tryNow());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') {
        live.tryNow();
      }
    });
    return {
      fleet,
      executor: new RestApi(settings),
      open: () => live.open(),
      tryNow: () => live.tryNow(),
      follow: (run, after, follower) => following.follow(run, after, follower)
    };
  }
};
