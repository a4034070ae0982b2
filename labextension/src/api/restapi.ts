/** The server extension's routes as methods. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { IExecutor } from '../tokens';
import type { ErrorInfo } from './types';
import { isError } from './validate';

/** What the executor answered, or why it could not be asked; `code` is stable. */
export class FarError extends Error {
  constructor(readonly info: ErrorInfo) {
    super(info.message);
  }

  get code(): string {
    return this.info.code;
  }
}

export class RestApi implements IExecutor {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  async interrupt(run: string): Promise<void> {
    await this._post(`runs/${encodeURIComponent(run)}/interrupt`);
  }

  async cancel(run: string): Promise<void> {
    await this._post(`runs/${encodeURIComponent(run)}/cancel`);
  }

  async stopSession(session: string): Promise<void> {
    await this._post(`sessions/${encodeURIComponent(session)}/stop`);
  }

  async simulate(gpus: string): Promise<void> {
    await this._post('devices/simulate', { gpus });
  }

  private async _post(path: string, body: object = {}): Promise<Response> {
    return this._ask(path, { method: 'POST', body: JSON.stringify(body) });
  }

  private async _ask(path: string, init: RequestInit): Promise<Response> {
    const url = URLExt.join(this._settings.baseUrl, 'farcell', path);
    let response: Response;
    try {
      response = await ServerConnection.makeRequest(url, init, this._settings);
    } catch (cause) {
      throw new FarError({ code: 'offline', message: 'The Jupyter server does not answer.', fields: { cause: String(cause) } });
    }
    if (!response.ok) {
      const body: unknown = await response.json().catch(() => null);
      throw new FarError(
        isError(body) ? body : { code: `http-${response.status}`, message: response.statusText || `status ${response.status}` }
      );
    }
    return response;
  }
}

/** The address of the websocket. */
export function liveUrl(settings: ServerConnection.ISettings): string {
  const url = URLExt.join(settings.wsUrl, 'farcell', 'live');
  return settings.appendToken && settings.token !== '' ? `${url}?token=${encodeURIComponent(settings.token)}` : url;
}
