-- Accounts of people who log in elsewhere: who issues their tokens, and what it calls them. Nobody can log in to them here.
ALTER TABLE users ADD COLUMN issuer TEXT;
ALTER TABLE users ADD COLUMN external_id TEXT;
CREATE UNIQUE INDEX users_external ON users (issuer, external_id);
