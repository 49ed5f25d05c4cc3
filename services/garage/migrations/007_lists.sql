-- The page and the API list uploads of everybody, newest first.
create index uploads_newest on uploads (arrived_at desc, id desc);
