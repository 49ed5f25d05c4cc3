-- Checks of what was built: one row for each check of an attempt's results, run as a leased job on a slot of
-- its own (services/garage/checks/).

create table checks (
  id bigint generated always as identity primary key,
  attempt_id uuid not null references attempts,
  build_id bigint not null references builds,
  name text not null check (name in ('install', 'lintian', 'autopkgtest', 'piuparts', 'rebuild')),
  blocking boolean not null,
  -- passed and failed are verdicts about the package; error: it could not be carried out; cancelled: nobody
  -- waits for it any more.
  status text not null default 'waiting' check (status in (
    'waiting', 'running', 'passed', 'failed', 'error', 'cancelled')),
  -- The job on the host: another one for each try.
  job_id uuid not null default gen_random_uuid(),
  -- How often a machine's fault ended it.
  given_back integer not null default 0,
  -- How often dependencies were missing that may still come.
  unmet integer not null default 0,
  not_before timestamptz not null default now(),
  host_id bigint references hosts,
  -- Above the numbers of build slots, so that neither can have the other's.
  slot integer check (slot >= 1000),
  leased_until timestamptz,
  message text,
  -- What was found: tags, tests, files that differ.
  report text[] not null default '{}',
  -- Relative to AUTOBUILDER_HOME.
  log text not null,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  unique (attempt_id, name),
  check (status <> 'running' or (host_id is not null and slot is not null and leased_until is not null))
);
create unique index checks_one_per_slot on checks (host_id, slot) where status = 'running';
create index checks_waiting on checks (not_before) where status = 'waiting';
create index checks_by_build on checks (build_id);

-- Set in one transaction with the rows above; nothing is handed over before.
alter table attempts add column checks_planned boolean not null default false;
-- Its packages still lie beside its log, see services/garage/checks/keep.ts.
alter table attempts add column packages_kept boolean not null default false;
create index attempts_with_packages on attempts (build_id) where packages_kept;

create view check_results as
  select s.product, s.name as source, s.version, b.architecture, c.name, c.blocking,
         case when c.status in ('waiting', 'running') then 'pending'
              when c.status = 'cancelled' then 'error'
              else c.status end as verdict,
         c.message, c.finished_at as at
    from checks c
    join builds b on b.id = c.build_id
    join sources s on s.id = b.source_id
   where c.attempt_id = (select a.id from attempts a where a.build_id = b.id and a.exit_class = 'success'
                          order by a.number desc limit 1);
