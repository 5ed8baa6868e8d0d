-- Messages, with what counting the unread ones needs: reactions, comings and goings are not read on the way, and deleted
-- messages are passed over without reading them.
CREATE INDEX entries_messages ON entries (room_id, seq, deleted_at, author_id) WHERE kind = 'message.posted';
