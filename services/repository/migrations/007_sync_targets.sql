-- Live targets, what each of them has, and what was told after a sync.

-- As configured; garage reads it for pages and for the list of places to fetch from.
create table sync_targets (
  name text primary key,
  -- Order of the configuration, which is the order that clients try them in.
  position integer not null,
  kind text not null check (kind in ('local', 'ssh', 'rsync', 'rclone')),
  -- For people; holds no secret.
  location text not null,
  -- A generation is live once every required target has it.
  required boolean not null,
  -- Where clients find it, without a slash at the end.
  public_url text,
  queues text[] not null
);

-- What a target has of a product in a queue; written by its own lane alone.
create table sync_states (
  target text not null,
  queue text not null,
  product text not null,
  -- Another location under the same name begins anew.
  location text not null,
  -- The newest generation that is wholly there.
  generation integer,
  -- The touch of the marker that was brought there last.
  marker text,
  -- A person asked for all files to be looked at: by time and size, or by their bytes.
  asked text check (asked in ('full', 'verify')),
  asked_at timestamptz,
  health text not null default 'new' check (health in ('new', 'ok', 'degraded', 'unreachable')),
  failures integer not null default 0,
  failing_since timestamptz,
  next_try_at timestamptz,
  error_code text,
  error text,
  tried_at timestamptz,
  synced_at timestamptz,
  -- Of the last sync that succeeded.
  files integer,
  bytes bigint,
  duration_ms integer,
  -- When what is gone was last looked for.
  cleaned_at timestamptz,
  primary key (target, queue, product)
);

-- Hooks to be called after a sync: one row a hook and sync, retried until it is done or given up.
create table sync_deliveries (
  id bigint generated always as identity primary key,
  target text not null,
  queue text not null,
  product text not null,
  -- Which hook of the target: a sum of its definition.
  hook text not null,
  -- What it is, for people.
  label text not null,
  status text not null default 'pending'
    check (status in ('pending', 'done', 'failed', 'superseded', 'dropped')),
  payload jsonb not null,
  attempts integer not null default 0,
  next_try_at timestamptz not null default now(),
  error_code text,
  error text,
  created_at timestamptz not null default now(),
  finished_at timestamptz
);
create index sync_deliveries_pending on sync_deliveries (next_try_at) where status = 'pending';
create index sync_deliveries_by_target on sync_deliveries (target, queue, product, hook, id desc);
