-- What pages, metrics and status ask for again and again, at the cost of what is current: the history behind it may
-- be long.

-- The newest published generation of each queue and product, for the repository and garage. It hops from one pair to
-- the next and to the end of each in the unique index of generations, and never reads what lies between.
create view newest_generations as
  with recursive pairs as (
    (select queue, product from generations order by queue, product limit 1)
    union all
    select next.queue, next.product
      from pairs
      cross join lateral (select g.queue, g.product from generations g
                           where (g.queue, g.product) > (pairs.queue, pairs.product)
                           order by g.queue, g.product limit 1) as next)
  select pairs.queue, pairs.product, newest.number
    from pairs
    cross join lateral (select g.number from generations g
                         where g.queue = pairs.queue and g.product = pairs.product and g.status <> 'preparing'
                         order by g.number desc limit 1) as newest;

-- Orders, newest first: all of a product, those for a source, and those that were refused.
create index orders_by_product on orders (product, id desc);
create index orders_by_source on orders (source, product, id desc);
create index orders_refused on orders (id desc) where status = 'refused';
-- Orders that people are still to be told of by mail.
create index orders_finished on orders (finished_at) where finished_at is not null;
