-- Changes of what clients know an archive by that the last sweep held back, for those who do not read the
-- repository's configuration: pages and garage's health. No row: nothing is held back.
create table held_identities (
  queue text not null,
  product text not null,
  -- [{field, from, to, effect}] with the words of `autobuilder identity list`
  changes jsonb not null,
  -- Since when these changes; others begin anew.
  since timestamptz not null default now(),
  primary key (queue, product)
);
