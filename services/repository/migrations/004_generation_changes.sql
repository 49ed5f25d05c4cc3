-- What each generation changed, which of them are kept, and orders to go back to one.

-- Exactly what came to a queue and what left it. The content of an older generation is what the queue
-- holds now with the changes since undone, the newest first.
create table generation_changes (
  generation_id bigint not null references generations on delete cascade,
  package_id bigint not null references packages,
  change "char" not null check (change in ('+', '-')),
  primary key (generation_id, package_id)
);
create index generation_changes_by_package on generation_changes (package_id);

alter table generations
  -- False for what was published before changes were kept: nothing older can be worked out.
  add column changes_known boolean not null default true,
  -- Date of its Release, in whole seconds: the name of its snapshot. Null when made before snapshots.
  add column dated_at timestamptz,
  -- When retention let it go: its folder and snapshot are gone, or about to be.
  add column dropped_at timestamptz;
update generations set changes_known = (added = 0 and removed = 0);
create index generations_kept on generations (queue, product, number) where dropped_at is null;

alter table orders
  alter column source drop not null,
  -- For a roll-back: the generation to go back to, and the newest one that its requester saw.
  add column to_generation integer,
  add column from_generation integer,
  drop constraint orders_kind_check,
  add constraint orders_kind_check check (
    (kind = 'promote' and source is not null and to_generation is null)
    or (kind = 'rollback' and source is null and to_generation is not null and from_queue = to_queue)
  );
create index generations_orders on orders (generation_id) where generation_id is not null;

-- Packages that a queue holds or that one of its kept generations needs.
create view kept_packages as
  select queue, product, package_id from members
  union
  select g.queue, g.product, c.package_id
    from generation_changes c
    join generations g on g.id = c.generation_id and g.status <> 'preparing'
   where c.change = '-'
     -- A kept generation from the one that brought the package to the last one before it left.
     and exists (
       select 1 from generations k
        where k.queue = g.queue and k.product = g.product and k.number < g.number
          and k.status <> 'preparing' and k.dropped_at is null
          and k.number >= coalesce((
            select max(a.number) from generation_changes came
              join generations a on a.id = came.generation_id
             where came.package_id = c.package_id and came.change = '+'
               and a.queue = g.queue and a.product = g.product and a.number < g.number), 0));

-- The same as files in the pool of (queue, product).
create view kept_files as
  select distinct k.queue, k.product, file as path
    from kept_packages k
    join packages p on p.id = k.package_id
    cross join unnest(p.files) as file;
