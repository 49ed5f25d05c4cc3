/**
 * A small S3 on loopback that really keeps objects, in memory. Written here because none was to be had that fits:
 * npm's s3rver leaves folders without files of their own out of listings and checks no signature of version 4;
 * Debian has Ceph and Swift, which are clusters.
 *
 * It checks every request's signature but plain reads of objects, lists in pages of a few keys with and without
 * delimiter (ListObjects and ListObjectsV2), and checks Content-MD5. What rclone is not meant to ask for here, such
 * as making a bucket, copying, or uploads in parts, is answered with 501.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { signatureProblem } from './s3-signature.ts';

/** Small, so that every listing is one of many pages. */
const PAGE_KEYS = 20;
export const S3_KEY_ID = 'AKIDEXAMPLE';
export const S3_SECRET = 'a-secret-that-nobody-may-see';
const STATUS = {
  ...{ AccessDenied: 403, InvalidAccessKeyId: 403, SignatureDoesNotMatch: 403 },
  ...{ NoSuchBucket: 404, NoSuchKey: 404, BadDigest: 400, NotImplemented: 501 },
} as const;

interface S3Object {
  body: Buffer;
  modified: Date;
  headers: Record<string, string>;
}

/** The one bucket of the server: `bucket`. */
export interface S3Place {
  objects: Map<string, S3Object>;
  /** Signed ones as `PUT live/devel/...`, in the order they came. */
  requests: string[];
  /** Accounts that may do everything: key id -> secret. */
  accounts: Map<string, string>;
  /** Takes no more writes: the key of an account that may only read. */
  isReadOnly: boolean;
  /** Breaks the connection of every write to a pool. */
  isCut: boolean;
  /** Where plain HTTP finds an object: `${publicUrl}/<key>`. */
  publicUrl: string;
  /** A configuration of rclone with remote `s3`. */
  writeConfig(file: string, secret?: string): Promise<void>;
  /** Writes the objects below a prefix into a folder, as a web server would show them. */
  saveTo(folder: string, prefix: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startS3(): Promise<S3Place> {
  const place: S3Place = {
    ...{
      objects: new Map(),
      requests: [],
      accounts: new Map([[S3_KEY_ID, S3_SECRET]]),
      isReadOnly: false,
      isCut: false,
    },
    publicUrl: '',
    writeConfig: async (file, secret = S3_SECRET) => {
      const lines = [
        ...['[s3]', 'type = s3', 'provider = Other', `endpoint = ${new URL(place.publicUrl).origin}`],
        ...[`access_key_id = ${S3_KEY_ID}`, `secret_access_key = ${secret}`],
      ];
      await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o600 });
    },
    saveTo: async (folder, prefix) => {
      for (const [key, { body }] of place.objects) {
        if (!key.startsWith(prefix)) continue;
        const file = path.join(folder, key.slice(prefix.length));
        await mkdir(path.dirname(file), { recursive: true });
        await writeFile(file, body);
      }
    },
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  const server = createServer((request, response) => {
    answer(place, request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  place.publicUrl = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/bucket`;
  return place;
}

async function answer(place: S3Place, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = Buffer.concat(await request.toArray());
  const { method = '' } = request;
  const url = new URL(request.url ?? '/', 'http://host');
  // As S3 does, and unlike most web servers: a plain + in a path is a space.
  const [bucket = '', ...rest] = decodeURIComponent(url.pathname.replaceAll('+', ' ')).slice(1).split('/');
  const key = rest.join('/');
  const say = (code: keyof typeof STATUS): void => fail(response, method, code);
  const isPlainRead =
    (method === 'GET' || method === 'HEAD') &&
    key !== '' &&
    request.headers.authorization === undefined &&
    !url.searchParams.has('X-Amz-Credential');
  if (!isPlainRead) {
    place.requests.push(`${method} ${key === '' ? `?prefix=${url.searchParams.get('prefix') ?? ''}` : key}`);
    const problem = signatureProblem(request, place.accounts);
    if (problem !== null) return say(problem);
    if (place.isCut && method === 'PUT' && key.includes('/pool/')) return void request.socket.destroy();
    if (place.isReadOnly && (method === 'PUT' || method === 'DELETE')) return say('AccessDenied');
  }
  if (bucket !== 'bucket' && method !== 'POST' && key !== '') return say('NoSuchBucket');
  if (method === 'GET' && key === '')
    return bucket === 'bucket' ? list(place, url.searchParams, response) : say('NoSuchBucket');
  const found = place.objects.get(key);
  if (method === 'GET' || method === 'HEAD') {
    if (found === undefined) return say('NoSuchKey');
    const type = { 'content-length': found.body.length, etag: `"${md5(found.body, 'hex')}"` };
    response.writeHead(200, { ...found.headers, ...type, 'last-modified': found.modified.toUTCString() });
    response.end(method === 'GET' ? found.body : undefined);
    return;
  }
  if (key === '' || url.searchParams.has('uploads') || request.headers['x-amz-copy-source'] !== undefined)
    return say('NotImplemented');
  if (method === 'DELETE') {
    place.objects.delete(key);
    response.writeHead(204).end();
  } else if (method === 'PUT') {
    const sum = request.headers['content-md5'];
    if (sum !== undefined && sum !== md5(body, 'base64')) return say('BadDigest');
    const kept = Object.entries(request.headers).filter(([name]) =>
      /^(x-amz-meta-.*|content-type)$/.test(name),
    );
    const headers = Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
    place.objects.set(key, { body, headers, modified: new Date() });
    response.writeHead(200, { etag: `"${md5(body, 'hex')}"` }).end();
  } else say('NotImplemented');
}

/** ListObjects and ListObjectsV2: what lies past a delimiter is one common prefix. */
function list(place: S3Place, query: URLSearchParams, response: ServerResponse): void {
  const [prefix = '', delimiter = ''] = ['prefix', 'delimiter'].map((name) => query.get(name) ?? '');
  const after = query.get('continuation-token') ?? query.get('start-after') ?? query.get('marker') ?? '';
  const shown = new Set<string>();
  for (const key of place.objects.keys()) {
    if (!key.startsWith(prefix)) continue;
    const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
    shown.add(end < 0 ? key : key.slice(0, end + delimiter.length));
  }
  const later = [...shown].toSorted().filter((name) => name > after);
  const page = later.slice(0, PAGE_KEYS);
  const isMore = later.length > page.length;
  const say = (name: string): string =>
    xml(query.get('encoding-type') === 'url' ? encodeURIComponent(name).replaceAll('%2F', '/') : name);
  const last = say(page.at(-1) ?? '');
  const entries = page.map((name) => {
    const object = place.objects.get(name);
    if (object === undefined) return `<CommonPrefixes><Prefix>${say(name)}</Prefix></CommonPrefixes>`;
    const facts = `<LastModified>${object.modified.toISOString()}</LastModified><Size>${String(object.body.length)}</Size>`;
    return `<Contents><Key>${say(name)}</Key>${facts}<ETag>"${md5(object.body, 'hex')}"</ETag></Contents>`;
  });
  const next = isMore
    ? `<NextMarker>${last}</NextMarker><NextContinuationToken>${xml(page.at(-1) ?? '')}</NextContinuationToken>`
    : '';
  const more = `<IsTruncated>${String(isMore)}</IsTruncated>${next}`;
  response.writeHead(200, { 'content-type': 'application/xml' });
  response.end(`<ListBucketResult><Name>bucket</Name>${more}${entries.join('')}</ListBucketResult>`);
}

function fail(response: ServerResponse, method: string, code: keyof typeof STATUS): void {
  response.writeHead(STATUS[code], { 'content-type': 'application/xml' });
  const text = `<Error><Code>${code}</Code><Message>This is ${code}</Message></Error>`;
  response.end(method === 'HEAD' ? undefined : text);
}

function md5(body: Buffer, encoding: 'hex' | 'base64'): string {
  return createHash('md5').update(body).digest(encoding);
}

function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
