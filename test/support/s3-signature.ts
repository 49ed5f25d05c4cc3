/** AWS Signature Version 4 as a server checks it, in a header or in a presigned address. */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

interface Parts {
  keyId: string;
  /** `<day>/<region>/<service>/aws4_request` */
  scope: string;
  signedHeaders: string;
  signature: string;
  date: string;
  payload: string;
}

/** Null when all is well, else the error's code in S3's words; `AccessDenied` for no signature at all. */
export function signatureProblem(
  request: IncomingMessage,
  accounts: ReadonlyMap<string, string>,
): 'AccessDenied' | 'InvalidAccessKeyId' | 'SignatureDoesNotMatch' | null {
  const [path = '', query = ''] = (request.url ?? '').split('?');
  const parts = fromHeader(request) ?? fromQuery(new URLSearchParams(query));
  if (parts === null) return 'AccessDenied';
  const secret = accounts.get(parts.keyId);
  if (secret === undefined) return 'InvalidAccessKeyId';
  const headers = parts.signedHeaders
    .split(';')
    .map((name) => `${name}:${String(request.headers[name] ?? '').trim()}\n`);
  const asked = query.split('&').filter((each) => each !== '' && !each.startsWith('X-Amz-Signature='));
  const canonical = [
    ...[request.method, path],
    asked
      .map((each) => (each.includes('=') ? each : `${each}=`))
      .toSorted()
      .join('&'),
    ...[headers.join(''), parts.signedHeaders, parts.payload],
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', parts.date, parts.scope, sha256(canonical)].join('\n');
  const key = parts.scope
    .split('/')
    .reduce<string | Buffer>((from, word) => hmac(from, word), `AWS4${secret}`);
  const [wanted, given] = [hmac(key, text), Buffer.from(parts.signature, 'hex')];
  const isSame = wanted.length === given.length && timingSafeEqual(wanted, given);
  return isSame ? null : 'SignatureDoesNotMatch';
}

function fromHeader({ headers }: IncomingMessage): Parts | null {
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
      headers.authorization ?? '',
    );
  if (found === null) return null;
  const [, keyId = '', scope = '', signedHeaders = '', signature = ''] = found;
  const [date, payload] = [headers['x-amz-date'], headers['x-amz-content-sha256']].map(String);
  return { keyId, scope, signedHeaders, signature, date: date ?? '', payload: payload ?? '' };
}

function fromQuery(query: URLSearchParams): Parts | null {
  const [keyId = '', ...scope] = (query.get('X-Amz-Credential') ?? '').split('/');
  if (keyId === '') return null;
  const get = (name: string): string => query.get(`X-Amz-${name}`) ?? '';
  return {
    ...{ keyId, scope: scope.join('/'), signedHeaders: get('SignedHeaders'), signature: get('Signature') },
    ...{ date: get('Date'), payload: 'UNSIGNED-PAYLOAD' },
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
