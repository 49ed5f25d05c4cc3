/** Key ids, so that the key of a signature is looked up instead of searched for among everybody's. */
import { readCleartextMessage, readKey } from 'openpgp';
import { readClearsigned } from './cleartext.ts';

/**
 * The 64-bit ids, upper-case hexadecimal, that a clearsigned text's signatures name as their makers. Nothing
 * is verified here. Throws what `readClearsigned` throws; empty for signatures that cannot be read.
 */
export async function issuerKeyIds(text: string): Promise<string[]> {
  const { armored } = readClearsigned(text);
  try {
    const message = await readCleartextMessage({ cleartextMessage: armored });
    return message.getSigningKeyIDs().map((id) => id.toHex().toUpperCase());
  } catch {
    return [];
  }
}

/** The ids of a public key and its subkeys, in the same form. Throws for text that is no key. */
export async function keyIdsOf(armored: string): Promise<string[]> {
  const key = await readKey({ armoredKey: armored });
  return [...new Set(key.getKeyIDs().map((id) => id.toHex().toUpperCase()))];
}
