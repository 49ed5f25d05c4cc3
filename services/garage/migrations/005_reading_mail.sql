-- What was read from finished attempts, how a source's rounds of builds ended, and what becomes of a mail.

-- One row for each attempt whose log was read; the log itself stays in its folder.
create table readings (
  attempt_id uuid primary key references attempts on delete cascade,
  build_id bigint not null references builds on delete cascade,
  -- A word of services/garage/reading/kinds.ts, null where no error was found or looked for.
  error_kind text,
  -- What the log says: `LogFacts` of services/garage/reading/types.ts.
  facts jsonb not null,
  -- Against the last good build: `Comparison`; null when there was none to compare with.
  comparison jsonb,
  read_at timestamptz not null default now()
);
create index readings_by_build on readings (build_id);

-- What a good attempt built, for the comparison with the next: its files go to the repository.
create table built_packages (
  attempt_id uuid not null references attempts on delete cascade,
  name text not null,
  architecture text not null,
  version text not null,
  -- Of the .deb, in bytes.
  size bigint not null,
  -- Fields of the control file.
  control jsonb not null,
  -- [[path, mode, owner, size, link target]]; null where the package was too large to look into.
  files jsonb,
  primary key (attempt_id, name, architecture)
);

-- Each time all builds of a source had ended: what the result mail said, and how it compares with before.
create table source_ends (
  id bigint generated always as identity primary key,
  source_id bigint not null references sources on delete cascade,
  -- Architectures with their last attempts: the same end is told once.
  key text not null unique,
  verdict text not null check (verdict in ('good', 'failed', 'waiting', 'none')),
  mark text check (mark in ('first-failure', 'failed-again', 'fixed')),
  ended_at timestamptz not null default now()
);
create index source_ends_by_source on source_ends (source_id, id desc);

-- An address that nobody has verified gets no mail. Accounts are made by admins, who vouch for the address;
-- whatever lets people change theirs must set this to null until they have shown that it is their own.
alter table accounts add column email_verified_at timestamptz default now();

-- queued -> sent | failed; failed -> queued by an admin.
alter table mails add column status text not null default 'queued' check (status in ('queued', 'sent', 'failed'));
alter table mails add column tries integer not null default 0;
alter table mails add column last_try_at timestamptz;
-- Why the last try failed, and whose fault it was: the server's (away, busy, login), or this mail's.
alter table mails add column last_error text;
alter table mails add column error_kind text check (error_kind in ('server', 'mail'));
update mails set status = 'sent' where sent_at is not null;
create index mails_open on mails (id) where status <> 'sent';
