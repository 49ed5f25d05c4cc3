-- What the indexes ask for at each publish. PostgreSQL 18 finds names by the unique index too, older ones do not.
create index packages_by_name on packages (product, name);
