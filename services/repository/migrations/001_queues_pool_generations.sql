-- The pool, what each queue holds, generations, handed-over sets and orders.

-- A published state of a product in a queue; preparing -> staged -> live.
create table generations (
  id bigint generated always as identity primary key,
  queue text not null,
  product text not null,
  number integer not null,
  status text not null check (status in ('preparing', 'staged', 'live')),
  cause text not null,
  -- Login, or null for the system itself.
  who text,
  added integer not null default 0,
  removed integer not null default 0,
  created_at timestamptz not null default now(),
  staged_at timestamptz,
  live_at timestamptz,
  unique (queue, product, number)
);

-- Every file that was ever in the pool. A name keeps its content for ever, even after deletion.
create table pool_files (
  product text not null,
  -- Below pool/<product>/: main/h/hello/hello_2.10-3_amd64.deb
  path text not null,
  size bigint not null,
  sha256 text not null,
  created_at timestamptz not null default now(),
  primary key (product, path)
);

-- A source or binary package as the indexes show it; its stanza is read from the file once.
create table packages (
  id bigint generated always as identity primary key,
  product text not null,
  component text not null,
  -- source | deb | udeb
  kind text not null check (kind in ('source', 'deb', 'udeb')),
  name text not null,
  version text not null,
  -- amd64, all, ...; 'source' for a source.
  architecture text not null,
  source text not null,
  source_version text not null,
  -- The index stanza, Filename/Directory and sums included, ready to print.
  stanza text not null,
  -- Paths in pool_files.
  files text[] not null,
  created_at timestamptz not null default now(),
  unique (product, component, kind, name, version, architecture)
);
create index packages_by_source on packages (product, source, source_version);

-- What a queue holds now.
create table members (
  queue text not null,
  product text not null,
  package_id bigint not null references packages,
  generation_id bigint not null references generations,
  since timestamptz not null default now(),
  primary key (queue, product, package_id)
);

create table sets (
  id uuid primary key,
  queue text not null,
  product text not null,
  source text not null,
  source_version text not null,
  architecture text not null,
  status text not null check (status in ('incoming', 'installed', 'quarantined')),
  reason_code text,
  reason text,
  generation_id bigint references generations,
  manifest jsonb not null,
  created_at timestamptz not null default now(),
  finished_at timestamptz
);

create table orders (
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('promote')),
  product text not null,
  source text not null,
  source_version text,
  from_queue text not null,
  to_queue text not null,
  requested_by text,
  status text not null default 'requested'
    check (status in ('requested', 'blocked', 'accepted', 'done', 'refused')),
  reason_code text,
  reason text,
  generation_id bigint references generations,
  requested_at timestamptz not null default now(),
  finished_at timestamptz
);
create index orders_open on orders (id) where status in ('requested', 'blocked', 'accepted');

create view published as
  select m.queue, m.product, p.component, p.source, p.source_version,
         coalesce(array_agg(p.name || '_' || p.architecture order by p.name, p.architecture)
                  filter (where p.kind <> 'source'), '{}') as binaries,
         coalesce(array_agg(distinct p.architecture) filter (where p.kind <> 'source'), '{}') as architectures,
         max(m.since) as since
    from members m join packages p on p.id = m.package_id
   group by m.queue, m.product, p.component, p.source, p.source_version;
