-- Accounts, uploads, sources, builds, attempts, hosts and mails. Statuses are the words of design.md;
-- the allowed transitions stand in services/garage/buildme/transitions.ts.

create table accounts (
  id bigint generated always as identity primary key,
  login text not null unique check (login ~ '^[a-z][a-z0-9-]{0,31}$'),
  email text not null,
  password_hash text,
  admin boolean not null default false,
  disabled_at timestamptz,
  created_at timestamptz not null default now()
);

create table ssh_keys (
  fingerprint text primary key,
  account_id bigint not null references accounts on delete cascade,
  public_key text not null
);

create table openpgp_keys (
  fingerprint text primary key,
  account_id bigint not null references accounts on delete cascade,
  armored text not null
);

-- One row for each set of files that came together, whatever became of it.
create table uploads (
  id uuid primary key default gen_random_uuid(),
  product text not null,
  account_id bigint not null references accounts,
  -- The .changes, or the .dsc of an upload without one.
  trigger_file text not null,
  -- Bare names in the incoming folder that belong to it; taken over before verification.
  files text[] not null,
  status text not null check (status in ('arriving', 'verifying', 'accepted', 'rejected')),
  source text,
  version text,
  signed_by text,
  reason_code text,
  reason text,
  hint text,
  warnings text[] not null default '{}',
  arrived_at timestamptz not null default now(),
  decided_at timestamptz,
  -- When its folder stood at its last place (sources/ or rejected/); null means the move must be redone.
  settled_at timestamptz
);
create index uploads_unsettled on uploads (arrived_at) where settled_at is null;
create index uploads_by_account on uploads (account_id, arrived_at desc);

create table sources (
  id bigint generated always as identity primary key,
  upload_id uuid not null unique references uploads,
  product text not null,
  name text not null,
  version text not null,
  component text not null default 'main',
  dsc text not null,
  -- The Architecture field of the .dsc, split.
  architectures text[] not null,
  -- [{name, size, sha256}], the .dsc included.
  files jsonb not null,
  -- Relative to AUTOBUILDER_HOME.
  directory text not null,
  accepted_at timestamptz not null default now(),
  unique (product, name, version)
);

-- Who may promote a source: whoever uploaded it first, and whom an admin adds.
create table maintainers (
  product text not null,
  source text not null,
  account_id bigint not null references accounts on delete cascade,
  primary key (product, source, account_id)
);

create table hosts (
  id bigint generated always as identity primary key,
  name text not null unique,
  address text not null,
  port integer not null,
  username text not null,
  host_key text not null,
  workdir text not null,
  slots integer not null check (slots between 1 and 64),
  architectures text[] not null,
  status text not null default 'active' check (status in ('active', 'draining', 'removed')),
  last_seen_at timestamptz,
  last_error text,
  created_at timestamptz not null default now()
);

create table builds (
  id bigint generated always as identity primary key,
  source_id bigint not null references sources,
  -- A real architecture; an arch:all-only source has one row on the architecture that builds it.
  architecture text not null,
  -- What is built there: any (arch-dependent only), all, both.
  binaries text not null check (binaries in ('any', 'all', 'both')),
  status text not null default 'needs-build' check (status in (
    'needs-build', 'building', 'built', 'uploaded', 'installed', 'dep-wait', 'attempted',
    'given-back', 'not-for-us', 'cancelled', 'superseded')),
  priority integer not null default 0,
  -- How often the machine's fault gave it back.
  given_back integer not null default 0,
  -- Not picked before this; set when it is given back.
  not_before timestamptz not null default now(),
  fail_class text,
  fail_reason text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (source_id, architecture)
);
create index builds_waiting on builds (priority desc, id) where status = 'needs-build';
create index builds_open on builds (status) where status in ('building', 'built', 'uploaded', 'given-back');

create table attempts (
  id uuid primary key default gen_random_uuid(),
  build_id bigint not null references builds,
  number integer not null,
  host_id bigint not null references hosts,
  slot integer not null,
  -- The runner's last known stage.
  stage text not null default 'init',
  exit_class text,
  message text,
  -- result.json as the runner wrote it.
  result jsonb,
  -- Relative to AUTOBUILDER_HOME: results/<product>/<source>_<version>/<arch>/<number>
  directory text not null,
  leased_until timestamptz not null,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  unique (build_id, number)
);
create unique index attempts_one_per_slot on attempts (host_id, slot) where finished_at is null;
create unique index attempts_one_per_build on attempts (build_id) where finished_at is null;

-- The outbox: a row is written with the change it tells of, and sent later; one row is one mail.
create table mails (
  id bigint generated always as identity primary key,
  -- What it tells of: kind + subject_key is told to a recipient once, however often a step is repeated.
  kind text not null,
  subject_key text not null,
  recipient text not null,
  message_id text not null unique,
  reference_id text not null,
  subject text not null,
  body text not null,
  headers jsonb not null default '{}',
  created_at timestamptz not null default now(),
  sent_at timestamptz,
  unique (kind, subject_key, recipient)
);

create view promotion_rights as
  select a.login, true as admin, null::text as product, null::text as source
    from accounts a where a.admin and a.disabled_at is null
  union all
  select a.login, false, m.product, m.source
    from maintainers m join accounts a on a.id = m.account_id where a.disabled_at is null;
