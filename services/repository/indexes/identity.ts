/**
 * What clients know an archive by, and the guard over it. apt refuses an archive that changes its Origin, Label
 * or Codename under it; pins and unattended upgrades that name them no longer match; a component or an
 * architecture that vanishes takes its packages from its users. So a generation keeps the identity of the one
 * before, whatever the configuration says meanwhile, until an admin accepts the very change.
 */
import { AppError } from '../../../shared/errors/app-error.ts';
import type { Queryable } from '../../../shared/database/pool.ts';
import { z } from 'zod';

const identitySchema = z.object({
  origin: z.string(),
  label: z.string(),
  suite: z.string(),
  codename: z.string(),
  components: z.array(z.string()),
  architectures: z.array(z.string()),
});
export type Identity = z.infer<typeof identitySchema>;

/** Of generations from before names could be configured. */
const olderShape = z
  .object({
    ...{ name: z.string(), queue: z.string(), product: z.string() },
    ...{ components: z.array(z.string()), architectures: z.array(z.string()) },
  })
  .transform(({ name, queue, product, components, architectures }) => ({
    ...{ origin: name, label: `${name} ${queue}`, suite: product, codename: product },
    ...{ components, architectures },
  }));

export interface IdentityChange {
  field: 'Origin' | 'Label' | 'Suite' | 'Codename' | 'Components' | 'Architectures';
  /** For lists: what vanishes. */
  from: string;
  to: string;
  /** What clients would see, in a sentence. */
  effect: string;
}

const FIELDS = [
  ['Origin', 'origin', 'o'],
  ['Label', 'label', 'l'],
  ['Suite', 'suite', 'a'],
  ['Codename', 'codename', 'n'],
] as const;

/** The identity in what a generation was made from (JSON), or null when it was not kept. */
export function publishedIdentity(shape: string): Identity | null {
  let value: unknown;
  try {
    value = JSON.parse(shape);
  } catch {
    return null;
  }
  const parsed = identitySchema.safeParse(value);
  return parsed.success ? parsed.data : (olderShape.safeParse(value).data ?? null);
}

export function identityOf(shape: Identity): Identity {
  const { origin, label, suite, codename, components, architectures } = shape;
  return { origin, label, suite, codename, components, architectures };
}

/** What of a change harms clients; what only comes along is no harm. */
export function harmfulChanges(from: Identity, to: Identity): IdentityChange[] {
  const names = FIELDS.filter(([, key]) => from[key] !== to[key]).map(
    ([field, key, letter]): IdentityChange => ({
      ...{ field, from: from[key], to: to[key] },
      effect: nameEffect(field, letter, from[key], to[key]),
    }),
  );
  const gone = (key: 'components' | 'architectures'): string[] =>
    from[key].filter((each) => !to[key].includes(each));
  const components = gone('components').map((component): IdentityChange => ({
    ...{ field: 'Components', from: component, to: '' },
    effect: `what users have installed from ${component} gets no more updates, and apt warns that the archive "doesn't have the component '${component}'"`,
  }));
  const architectures = gone('architectures').map((architecture): IdentityChange => ({
    ...{ field: 'Architectures', from: architecture, to: '' },
    effect: `machines of ${architecture} get no more updates, and apt says that the archive "doesn't support architecture '${architecture}'"`,
  }));
  return [...names, ...components, ...architectures];
}

function nameEffect(field: string, letter: string, from: string, to: string): string {
  const rules = `pins and unattended upgrades for ${letter}=${from} no longer match`;
  if (field === 'Suite') return `apt tells of it, and ${rules}`;
  return `apt-get update fails with "changed its '${field}' value from '${from}' to '${to}'" until each user accepts it, and ${rules}`;
}

/** What may be published: the wanted shape, or, while changes are refused, with the identity of before. */
export function guardIdentity<T extends Identity>(
  wanted: T,
  published: Identity | null,
  accepted: { identity: Identity | null; always: boolean },
): { shape: T; refused: IdentityChange[]; isAccepted: boolean } {
  const changes = published ? harmfulChanges(published, wanted) : [];
  if (!published || changes.length === 0) return { shape: wanted, refused: [], isAccepted: false };
  if (accepted.always || isSame(accepted.identity, wanted)) {
    return { shape: wanted, refused: [], isAccepted: true };
  }
  const { origin, label, suite, codename } = published;
  const components = [...new Set([...published.components, ...wanted.components])];
  const architectures = [...new Set([...published.architectures, ...wanted.architectures])];
  const shape = { ...wanted, origin, label, suite, codename, components, architectures };
  return { shape, refused: changes, isAccepted: false };
}

function isSame(accepted: Identity | null, wanted: Identity): boolean {
  return accepted !== null && JSON.stringify(identityOf(accepted)) === JSON.stringify(identityOf(wanted));
}

interface At {
  queue: string;
  product: string;
}

/** What an admin has accepted and no generation has published yet. */
export async function acceptedIdentity(database: Queryable, at: At): Promise<Identity | null> {
  const { rows } = await database.query<{ identity: unknown }>(
    'select identity from accepted_identities where queue = $1 and product = $2',
    [at.queue, at.product],
  );
  return identitySchema.safeParse(rows[0]?.identity).data ?? null;
}

export async function acceptIdentity(database: Queryable, at: At, identity: Identity): Promise<void> {
  await database.query(
    `insert into accepted_identities (queue, product, identity) values ($1, $2, $3)
     on conflict (queue, product) do update set identity = excluded.identity, accepted_at = now()`,
    [at.queue, at.product, JSON.stringify(identityOf(identity))],
  );
}

/** It is published: the next change asks again. */
export async function forgetAcceptance(database: Queryable, at: At): Promise<void> {
  await database.query('delete from accepted_identities where queue = $1 and product = $2', [
    at.queue,
    at.product,
  ]);
}

/** For a command that is to accept what is not there. */
export function identityUnchanged({ queue, product }: At): AppError {
  return new AppError(
    'identity-unchanged',
    `The configuration changes nothing that clients know ${queue} for ${product} by`,
  );
}
