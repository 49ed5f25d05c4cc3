/** Small files of live, asked for over HTTP like any apt client would. */

/** A local web server answers in milliseconds, a far one within seconds. */
const FETCH_TIMEOUT_MS = 10_000;

/** At most `maxBytes` of a file from its beginning; null when it cannot be had. */
export async function fetchStart(url: string, maxBytes: number): Promise<string | null> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      return null;
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= maxBytes) break;
    }
    return Buffer.concat(chunks).subarray(0, maxBytes).toString('utf8');
  } catch {
    return null; // not there yet; the next round asks again
  }
}

/** An armored key with many signatures has some tens of kilobytes. */
const MAX_KEY_BYTES = 256 * 1024;

/** An armored keyring, whole; null when it cannot be had. */
export async function fetchKey(url: string): Promise<string | null> {
  const text = await fetchStart(url, MAX_KEY_BYTES);
  const isWhole =
    text?.startsWith('-----BEGIN PGP PUBLIC KEY BLOCK-----') === true &&
    text.trimEnd().endsWith('-----END PGP PUBLIC KEY BLOCK-----');
  return isWhole ? text : null;
}

export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}
