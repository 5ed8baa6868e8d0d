-- How often the refresh token of a login was replaced, and when lately (milliseconds, the latest first): a repeated request
-- gets the same successor. Older programs leave both alone.
ALTER TABLE logins ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
ALTER TABLE logins ADD COLUMN rotations TEXT NOT NULL DEFAULT '';
-- For removing logins that have ended.
CREATE INDEX logins_expires ON logins (expires_at);
CREATE INDEX logins_revoked ON logins (revoked_at) WHERE revoked_at IS NOT NULL;
