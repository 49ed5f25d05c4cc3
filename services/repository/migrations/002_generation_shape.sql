-- What the indexes of a generation were made from besides its members: archive name, components,
-- architectures, key. When the configuration says otherwise, a new generation is due.
alter table generations add column shape text not null default '';
create index generations_unfinished on generations (queue, product) where status <> 'live';
create index members_by_package on members (package_id);
create index sets_waiting on sets (queue, product) where status = 'incoming';
