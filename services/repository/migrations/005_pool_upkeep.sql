-- Garbage collection of the pool, and orders to remove a source from a queue.

-- Files in a queue's pool that nothing needs any more. `unused_since`: first seen so, the begin of the grace
-- time. `removed_at`: decided to remove, committed before the file goes from staging; what is gone there for
-- long enough may go from live too. A row goes when its file is needed again.
create table pool_unused (
  queue text not null,
  product text not null,
  -- As in pool_files.
  path text not null,
  unused_since timestamptz not null default now(),
  removed_at timestamptz,
  primary key (queue, product, path)
);
create index pool_unused_removed on pool_unused (queue, product, removed_at) where removed_at is not null;

alter table orders
  -- For a removal: carried out even if something becomes uninstallable by it.
  add column force boolean not null default false,
  drop constraint orders_kind_check,
  add constraint orders_kind_check check (
    (kind = 'promote' and source is not null and to_generation is null)
    or (kind = 'rollback' and source is null and to_generation is not null and from_queue = to_queue)
    or (kind = 'remove' and source is not null and to_generation is null and from_queue = to_queue)
  );
