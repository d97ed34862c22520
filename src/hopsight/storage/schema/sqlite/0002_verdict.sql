-- The verdict of user sessions, to filter by; NULL in all other kinds, and in what was stored before.
ALTER TABLE {table}_dim ADD COLUMN verdict TEXT;
