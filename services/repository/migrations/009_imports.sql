-- Existing repositories that are brought in. What was read of them is kept so that a run that was cut off goes on
-- where it was; it may be deleted (or lost with a crash of the server: unlogged) at any time and is read again.

create table imports (
  id bigint generated always as identity primary key,
  -- reprepro | aptly | directory
  kind text not null,
  root text not null,
  -- Which part of it: a distribution, a repo, a snapshot; '' for all.
  part text not null default '',
  queue text not null,
  product text not null,
  -- Counts the runs: what a run did not see is gone.
  pass integer not null default 0,
  generation_id bigint references generations on delete set null,
  started_at timestamptz not null default now(),
  finished_at timestamptz,
  unique (kind, root, part, queue, product)
);

-- A package of it as it was read: facts of its files alone, nothing that the configuration decides.
create unlogged table import_items (
  id bigint generated always as identity primary key,
  import_id bigint not null,
  -- Of the .deb or .dsc, relative to the root.
  path text not null,
  pass integer not null,
  -- What its index said of it, as JSON.
  entry text not null,
  -- Of the file when it was read; '' when there was none.
  stamp text not null,
  -- Why it cannot be taken; null for a good one, and only then the columns below are there.
  code text,
  reason text,
  component text,
  kind text,
  name text,
  version text,
  architecture text,
  source text,
  source_version text,
  stanza text,
  -- [{"from", "stamp", "path", "size", "sha256"}]
  files json,
  -- The archive's word where it is another than the package's own.
  override_section text,
  override_priority text,
  -- What it unpacks to, as in file_lists; null where that was not read.
  list_count integer,
  list bytea,
  unique (import_id, path)
);
alter table import_items alter column list set storage external;
create index import_items_by_source on import_items (import_id, source) where code is null;

-- What a run decided of each good item.
create unlogged table import_verdicts (
  import_id bigint not null,
  item_id bigint not null,
  code text,
  reason text,
  package_id bigint,
  primary key (import_id, item_id)
);
