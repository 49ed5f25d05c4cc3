-- Verification: who may upload, what was signed before, failures of our own, binaries that were uploaded.

-- 64-bit ids of the primary key and its subkeys, upper-case hexadecimal, so that a signature's issuer is
-- looked up and not searched for. Null: stored before this column was, and so always looked at.
alter table openpgp_keys add column key_ids text[];
create index openpgp_keys_by_id on openpgp_keys using gin (key_ids);

alter table uploads
  -- SHA-256 over signer and signed text of each signed control file: the file itself may be written in many
  -- ways without its signature losing force, so its own sum says nothing about a replay.
  add column signed_digests text[] not null default '{}',
  -- How often it failed by our fault, why the last time, and when it is tried again (null: at once, or
  -- never again by itself once the tries are used up).
  add column failures integer not null default 0,
  add column last_failure text,
  add column retry_at timestamptz;
create index uploads_by_signed_digest on uploads using gin (signed_digests);

-- Who may upload and promote sources whose name matches a glob; beside `maintainers`, which names one source.
create table upload_rules (
  product text not null,
  -- `*` any characters, `?` one.
  pattern text not null check (pattern ~ '^[a-z0-9+.*?-]{1,128}$'),
  account_id bigint not null references accounts on delete cascade,
  primary key (product, pattern, account_id)
);

-- Binaries that came with an upload and are published as they are (binaryUploads: accept): one row a set.
create table uploaded_sets (
  -- Made of upload and architecture, so that the set is the same one at each try.
  id uuid primary key,
  upload_id uuid not null references uploads,
  source_id bigint not null references sources,
  -- The build that this set takes the place of; null where that build goes on or ended before.
  build_id bigint references builds,
  architecture text not null,
  -- [{name, size, sha256}] of the binaries, which lie in the upload's folder.
  files jsonb not null,
  status text not null default 'waiting' check (status in ('waiting', 'handed-over', 'installed', 'quarantined')),
  created_at timestamptz not null default now()
);
create index uploaded_sets_open on uploaded_sets (id) where status in ('waiting', 'handed-over');
create index uploaded_sets_by_source on uploaded_sets (source_id);

-- Names of packages hold neither % nor _, so a glob becomes a LIKE pattern by two characters.
create or replace view promotion_rights as
  select a.login, true as admin, null::text as product, null::text as source
    from accounts a where a.admin and a.disabled_at is null
  union all
  select a.login, false, m.product, m.source
    from (select product, source, account_id from maintainers
          union
          select s.product, s.name, r.account_id
            from upload_rules r join sources s on s.product = r.product and s.name like translate(r.pattern, '*?', '%_')) m
    join accounts a on a.id = m.account_id where a.disabled_at is null;
