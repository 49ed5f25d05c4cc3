/** The key that a mirror's clients need, beside the mirror: the archive's own, or ours where the indexes are ours. */
import path from 'node:path';
import { replaceIfDifferent } from '../../../shared/files/durable.ts';
import { writeKeyring } from '../../../shared/openpgp/keyring.ts';
import type { Repository } from '../context.ts';
import { isFiltered, type MirrorDefinition } from './definition.ts';
import type { MirrorPlaces } from './places.ts';

/** Writes `mirror-key.asc` and `mirror-key.gpg` where they are missing or old. */
export async function publishMirrorKey(
  repository: Pick<Repository, 'signer'>,
  mirror: MirrorDefinition,
  places: MirrorPlaces,
): Promise<void> {
  const { armored, binary } = isFiltered(mirror)
    ? repository.signer.publicKey
    : await writeKeyring(mirror.keys);
  await replaceIfDifferent(path.join(places.root, 'mirror-key.asc'), Buffer.from(armored));
  await replaceIfDifferent(path.join(places.root, 'mirror-key.gpg'), binary);
}
