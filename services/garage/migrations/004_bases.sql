-- Bases on hosts as garage last saw them, and targets of failed builds that are kept for an admin.

create table bases (
  host_id bigint not null references hosts,
  product text not null,
  architecture text not null,
  -- By garage's clock, from the age that the host gave; null when it has none.
  made_at timestamptz,
  last_used_at timestamptz,
  -- The last try to make it anew, and what was wrong with it.
  refreshed_at timestamptz,
  error text,
  primary key (host_id, product, architecture)
);

alter table builds
  -- Asked for with `build retry --keep`.
  add column keep_failed_s integer not null default 0 check (keep_failed_s between 0 and 604800);

alter table attempts
  -- While it lies ahead, the failed attempt's target is on its host.
  add column kept_until timestamptz;
create index attempts_kept on attempts (kept_until) where kept_until is not null;
