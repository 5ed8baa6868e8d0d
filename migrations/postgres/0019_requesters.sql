-- Who asked for what a plugin does, so that it can be refused or erased with the account. Nodes of the version before leave it out.

-- The account for which a plugin posted this, and what it was called then.
ALTER TABLE entries ADD COLUMN caller_id BIGINT;
ALTER TABLE entries ADD COLUMN caller_name TEXT;

-- The account that set the timer, and the uid of the room of the command by which it did.
ALTER TABLE timers ADD COLUMN set_by BIGINT;
ALTER TABLE timers ADD COLUMN set_in TEXT;
CREATE INDEX timers_set_by ON timers (set_by) WHERE set_by IS NOT NULL;
-- The reminders of the plugin that comes with the server have the account in their names.
UPDATE timers SET set_by = (SELECT u.id FROM users u WHERE u.uid = substr(timers.name, 8, 36))
    WHERE plugin = 'slash' AND name LIKE 'remind/%';
