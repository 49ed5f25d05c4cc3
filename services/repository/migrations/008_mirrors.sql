-- Local mirrors of other archives: what is asked for, what became of it, and what is known of their files.
create table mirrors (
  name text primary key,
  url text not null,
  suites text[] not null,
  -- Components, architectures, filters and the like; services/repository/mirror/definition.ts has its form.
  settings jsonb not null,
  -- [{fingerprint, armored, userId}]: the keys that may sign it, pinned when they were given.
  keys jsonb not null,
  status text not null default 'new' check (status in ('new', 'updating', 'current', 'failed')),
  -- By suite, the Date and sum of the Release file that was taken last: an older one is a replay.
  releases jsonb not null default '{}',
  -- Number of the generation that clients see.
  generation integer,
  files integer not null default 0,
  bytes bigint not null default 0,
  -- Relations that --with-dependencies found nothing for.
  unmet text[] not null default '{}',
  error_code text,
  error text,
  failures integer not null default 0,
  attempted_at timestamptz,
  succeeded_at timestamptz,
  changed_at timestamptz,
  -- When the service looks at it again; null: at once.
  next_at timestamptz,
  created_at timestamptz not null default now()
);

-- What was found when a mirror's files were read last: a file with this size and time has this sum. Only a
-- cache: without it every sum is taken anew, and nothing is downloaded that is there.
create table mirror_files (
  mirror text not null,
  -- Relative to the mirror.
  path text not null,
  size bigint not null,
  mtime_ms double precision not null,
  -- sha256:... or sha512:...
  checksum text not null,
  -- When nothing named it any more; it is removed a while later.
  unused_since timestamptz,
  primary key (mirror, path)
);
