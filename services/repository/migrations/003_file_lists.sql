-- What each package holds, read once from its file: what Contents is made of.
create table file_lists (
  package_id bigint primary key references packages on delete cascade,
  -- Of paths.
  count integer not null,
  -- Sorted, without the leading slash, a line each, as they are in the package; zstd.
  paths bytea not null
);
-- They are packed already.
alter table file_lists alter column paths set storage external;

-- Section and Priority as the archive wants them, whatever a package says of itself.
create table overrides (
  product text not null,
  -- '' for every queue; one for a queue goes before.
  queue text not null default '',
  kind text not null check (kind in ('source', 'deb', 'udeb')),
  name text not null,
  -- null: as the package says. Both null: removed, and kept until every queue shows that.
  section text,
  priority text,
  -- Grows with each change of any override; what a queue has not shown yet is above its mark.
  revision bigint not null,
  -- Login, or null for the admin on the repository's host.
  who text,
  changed_at timestamptz not null default now(),
  primary key (product, queue, kind, name)
);
create index overrides_by_revision on overrides (product, revision);

-- Up to which revision what a queue shows of a product has the overrides.
create table override_marks (
  queue text not null,
  product text not null,
  revision bigint not null,
  primary key (queue, product)
);

-- A change of what clients know an archive by, which an admin has taken upon them.
create table accepted_identities (
  queue text not null,
  product text not null,
  -- What was accepted, so that the next change asks again.
  identity jsonb not null,
  accepted_at timestamptz not null default now(),
  primary key (queue, product)
);
