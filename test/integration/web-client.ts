/** A browser without a screen: keeps cookies, finds the token in a page, posts forms. */
import type { FastifyInstance, LightMyRequestResponse } from 'fastify';

export interface WebClient {
  get(url: string, headers?: Record<string, string>): Promise<LightMyRequestResponse>;
  /** Posts a form; the token is taken from the page `from` unless `fields` has one. */
  post(url: string, fields: Record<string, string>, from?: string): Promise<LightMyRequestResponse>;
  /** Posts `multipart/form-data`; a pair whose value is an object is a file. */
  upload(
    url: string,
    parts: [string, string | { name: string; content: string }][],
  ): Promise<LightMyRequestResponse>;
  token(page: string): Promise<string>;
  cookie(): string | undefined;
  setCookie(value: string | undefined): void;
}

const COOKIE = 'autobuilder';
let clients = 0;

/** Each client has an address of its own, so that limits meet only who they are meant for. */
export function webClient(app: FastifyInstance): WebClient {
  clients += 1;
  const remoteAddress = `198.51.100.${String(clients)}`;
  let cookie: string | undefined;
  const cookies = (): Record<string, string> => (cookie === undefined ? {} : { [COOKIE]: cookie });
  const remember = (response: LightMyRequestResponse): LightMyRequestResponse => {
    const set = response.cookies.find(({ name }) => name === COOKIE);
    if (set) cookie = set.value === '' ? undefined : set.value;
    return response;
  };
  const get: WebClient['get'] = async (url, headers = {}) =>
    remember(await app.inject({ remoteAddress, method: 'GET', url, headers, cookies: cookies() }));
  const token = async (page: string): Promise<string> => {
    const { body } = await get(page);
    const found = /name="_csrf" value="([^"]+)"/.exec(body)?.[1];
    if (found === undefined) throw new Error(`no token on ${page}`);
    return found;
  };
  return {
    get,
    token,
    post: async (url, fields, from = '/') => {
      const form = { ...fields, ...('_csrf' in fields ? {} : { _csrf: await token(from) }) };
      const payload = new URLSearchParams(form).toString();
      const headers = { 'content-type': 'application/x-www-form-urlencoded' };
      return remember(
        await app.inject({ remoteAddress, method: 'POST', url, headers, payload, cookies: cookies() }),
      );
    },
    upload: async (url, parts) => {
      const boundary = '----test-boundary';
      const lines = parts.map(([field, value]) =>
        typeof value === 'string'
          ? `--${boundary}\r\ncontent-disposition: form-data; name="${field}"\r\n\r\n${value}\r\n`
          : `--${boundary}\r\ncontent-disposition: form-data; name="${field}"; filename="${value.name}"\r\ncontent-type: application/octet-stream\r\n\r\n${value.content}\r\n`,
      );
      const headers = { 'content-type': `multipart/form-data; boundary=${boundary}` };
      const payload = `${lines.join('')}--${boundary}--\r\n`;
      return remember(
        await app.inject({ remoteAddress, method: 'POST', url, headers, payload, cookies: cookies() }),
      );
    },
    cookie: () => cookie,
    setCookie: (value) => {
      cookie = value;
    },
  };
}

/** Signs in by the form. */
export async function signedIn(app: FastifyInstance, login: string, password: string): Promise<WebClient> {
  const client = webClient(app);
  const response = await client.post('/sign-in', { login, password }, '/sign-in');
  if (response.statusCode !== 303) throw new Error(`sign-in gave ${String(response.statusCode)}`);
  return client;
}
