/** Which document a kernel means by the name it has for its notebook. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/** `path` is relative to the server's root, and empty for what is not below it. */
export interface INamedNotebook {
  path: string;
  exists: boolean;
}

/** Ask the server. Rejects if it does not say. */
export async function namedNotebook(name: string, settings: ServerConnection.ISettings): Promise<INamedNotebook> {
  const url = URLExt.join(settings.baseUrl, 'farcell', 'notebook') + URLExt.objectToQueryString({ name });
  const response = await ServerConnection.makeRequest(url, {}, settings);
  if (!response.ok) {
    throw new ServerConnection.ResponseError(response);
  }
  const found = (await response.json()) as Partial<INamedNotebook>;
  return { path: String(found.path ?? ''), exists: found.exists === true };
}
