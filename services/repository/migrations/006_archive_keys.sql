-- The archive's keys as the signer told last, for those who have no signer to ask: pages, mails, health.
create table archive_keys (
  fingerprint text primary key,
  user_id text not null,
  -- file | gpg
  backend text not null,
  state text not null check (state in ('new', 'announced', 'active', 'retired')),
  created_at timestamptz not null,
  announced_at timestamptz,
  activated_at timestamptz,
  retired_at timestamptz,
  -- null: never
  expires_at timestamptz,
  -- Why it cannot sign, for people.
  problem text
);

-- One row: whether signatures come.
create table signing_state (
  only_row boolean primary key default true check (only_row),
  -- null while they do.
  code text,
  message text,
  since timestamptz not null default now(),
  checked_at timestamptz not null default now(),
  -- Of the public keyring and its package.
  keyring_version text not null
);
