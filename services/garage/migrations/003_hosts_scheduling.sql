-- Hosts that are tested, limited and quarantined; builds in lanes with turns, features and dependency order.

alter table hosts drop constraint hosts_status_check;
alter table hosts add constraint hosts_status_check
  check (status in ('active', 'draining', 'quarantined', 'removed'));
alter table hosts
  -- What builds may require beside an architecture: big-memory, kvm, ...
  add column features text[] not null default '{}',
  -- It gets no build while less than this is free in its work folder.
  add column min_free_bytes bigint not null default 1000000000 check (min_free_bytes >= 0),
  -- Its own limit on a build's time, below the configuration's; null: none.
  add column max_build_s integer check (max_build_s > 0),
  -- Why it has its status, for people; null where an admin made it active.
  add column status_reason text,
  add column status_since timestamptz not null default now(),
  -- Attempts in a row that ended as the machine's fault.
  add column machine_failures integer not null default 0,
  -- Self-tests in a row that a quarantined host did not pass, and when the next is due.
  add column failed_tests integer not null default 0,
  add column next_test_at timestamptz,
  -- The last test's report (services/garage/hosts/report.ts).
  add column test jsonb,
  add column tested_at timestamptz;

-- What an admin says about every version of a source.
create table source_settings (
  product text not null,
  source text not null,
  priority integer not null default 0,
  requires text[] not null default '{}',
  primary key (product, source)
);

-- When its .dsc was read for what its builds need and provide; null: still to do, its builds are held.
alter table sources add column related_at timestamptz;
update sources set related_at = now();
create index sources_unrelated on sources (id) where related_at is null;

-- Binary packages that a source will provide, by its .dsc.
create table source_binaries (
  source_id bigint not null references sources on delete cascade,
  name text not null,
  -- Architecture: all, so built once for all architectures; null where the .dsc does not say.
  is_all boolean,
  primary key (source_id, name)
);
create index source_binaries_by_name on source_binaries (name);

alter table builds
  -- Copies that the next build is picked by; builds_enter() fills them in.
  add column product text,
  add column account_id bigint,
  -- Builds that the same hosts can build wait in one lane: product, architecture, required features.
  add column lane text,
  -- Whose turn it is within lane and priority, see builds_enter().
  add column turn bigint not null default 0,
  add column requires text[] not null default '{}',
  -- Not picked: its .dsc is not read yet, or it waits for builds of its batch (build_waits).
  add column held boolean not null default false,
  -- The host whose fault gave it back last; another one is asked first.
  add column avoid_host_id bigint references hosts;

-- Build-dependencies of a build that waits, reduced to its architecture and profiles; one row for each
-- alternative. Only builds that are not finished need them.
create table build_needs (
  build_id bigint not null references builds on delete cascade,
  name text not null,
  -- << <= = >= >>, or null with version.
  operator text,
  version text,
  unique nulls not distinct (build_id, name, operator, version)
);
create index build_needs_by_name on build_needs (name);

-- A build is held until these are live or cannot come any more. Never a cycle.
create table build_waits (
  build_id bigint not null references builds on delete cascade,
  for_build_id bigint not null references builds on delete cascade,
  primary key (build_id, for_build_id)
);
create index build_waits_by_target on build_waits (for_build_id);

drop index builds_waiting;
create index builds_waiting on builds (lane, priority desc, turn, id)
  where status = 'needs-build' and not held;
create index builds_by_uploader on builds (lane, account_id, priority, turn) where status = 'needs-build';
create index builds_held on builds (id) where held;
create index builds_dep_wait on builds (id) where status = 'dep-wait';

-- Fair between uploaders, as start-time fair queueing: within lane and priority each uploader's builds have
-- turns one apart, and whoever comes new starts at the turn that is served now. So picking is one look at
-- an index, however much waits, and 3,000 builds of one uploader lie in turns ahead of nobody's first.
create function builds_fresh_turn(of_lane text, of_priority integer, of_account bigint, of_id bigint)
  returns bigint language sql volatile set search_path from current as $$
  select greatest(
    coalesce((select turn from builds
               where lane = of_lane and priority = of_priority and status = 'needs-build' and not held
               order by turn limit 1), 1),
    coalesce((select turn + 1 from builds
               where lane = of_lane and account_id = of_account and priority = of_priority
                 and status = 'needs-build' and id <> of_id
               order by turn desc limit 1), 1))
$$;

create function builds_enter() returns trigger language plpgsql set search_path from current as $$
begin
  if new.product is null or new.account_id is null then
    select s.product, u.account_id into new.product, new.account_id
      from sources s join uploads u on u.id = s.upload_id where s.id = new.source_id;
  end if;
  new.requires := array(select distinct unnest(new.requires) order by 1);
  new.lane := concat_ws(' ', new.product, new.architecture, nullif(array_to_string(new.requires, ','), ''));
  if tg_op = 'INSERT' or new.lane <> old.lane or new.priority <> old.priority then
    new.turn := builds_fresh_turn(new.lane, new.priority, new.account_id, new.id);
  elsif new.status = 'needs-build' and not new.held and (old.status <> 'needs-build' or old.held) then
    -- It comes back: it keeps its turn, unless a newcomer's is better by now.
    new.turn := least(old.turn, builds_fresh_turn(new.lane, new.priority, new.account_id, new.id));
  end if;
  return new;
end $$;

create trigger builds_enter before insert or update on builds
  for each row execute function builds_enter();
update builds set product = null;
alter table builds alter column product set not null, alter column account_id set not null,
  alter column lane set not null;

-- Sources of which a build has ended: looked at, perhaps told, and removed if nothing changed meanwhile. So
-- telling costs what changed, not what was ever built.
create table sources_to_tell (
  source_id bigint primary key references sources on delete cascade,
  changed_at timestamptz not null default clock_timestamp()
);
insert into sources_to_tell select distinct source_id from builds where updated_at > now() - interval '30 days';

create function builds_may_end() returns trigger language plpgsql set search_path from current as $$
begin
  if new.status not in ('needs-build', 'building', 'built', 'uploaded', 'given-back') then
    insert into sources_to_tell values (new.source_id)
      on conflict (source_id) do update set changed_at = clock_timestamp();
  end if;
  return null;
end $$;
create trigger builds_may_end after insert or update of status on builds
  for each row execute function builds_may_end();

-- Past build times, for estimates.
create index attempts_by_end on attempts (finished_at desc) where exit_class = 'success';
create index attempts_by_host on attempts (host_id, finished_at desc);
