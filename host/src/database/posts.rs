//! Stores many posts with few statements: on a busy server most writes are posts.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::entries::POSTED;
use super::rows::damaged;
use super::search_index::Indexed;
use super::{Tx, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::protocol::{Attachment, Author, AuthorKind, Entry, EntryPayload, NewPost, RoomId};

/// The outcome of storing a post.
#[derive(Clone, Debug)]
pub enum PostOutcome {
    /// Stored as the room's next entry.
    Posted(Entry),
    /// Its idempotency key was used before, by the post with this `seq` and time.
    Duplicate { seq: u64, at: Timestamp },
    /// The room does not exist.
    NoRoom,
}

/// A post's idempotency key with its scope: room, author, key.
type Key = (RoomId, i64, std::sync::Arc<str>);

// Posts are passed as one JSON parameter, so that one statement takes any number of them.
const EXISTING_SQLITE: &str = "SELECT p.value ->> 'i' AS i, e.seq, e.at FROM json_each($1) p \
    JOIN rooms r ON r.uid = p.value ->> 'room' \
    JOIN entries e ON e.room_id = r.id AND e.author_id = p.value ->> 'author' AND e.key = p.value ->> 'key'";
const EXISTING_POSTGRES: &str = "SELECT p.i, e.seq, e.at \
    FROM json_to_recordset($1::json) AS p (i BIGINT, room TEXT, author BIGINT, key TEXT) \
    JOIN rooms r ON r.uid = p.room JOIN entries e ON e.room_id = r.id AND e.author_id = p.author AND e.key = p.key";
const NUMBERS_SQLITE: &str = "UPDATE rooms SET last_seq = last_seq + (p.value ->> 'n') FROM json_each($1) p \
    WHERE uid = p.value ->> 'room' RETURNING uid, rooms.id, last_seq";
// All writers lock rooms in the same order, so that two nodes cannot deadlock.
const NUMBERS_POSTGRES: &str = "WITH taken AS MATERIALIZED (SELECT r.id, p.n \
    FROM json_to_recordset($1::json) AS p (room TEXT, n BIGINT) JOIN rooms r ON r.uid = p.room ORDER BY r.id FOR UPDATE OF r) \
    UPDATE rooms SET last_seq = last_seq + taken.n FROM taken WHERE rooms.id = taken.id \
    RETURNING rooms.uid, rooms.id, rooms.last_seq";
const INSERT_SQLITE: &str = "INSERT INTO entries \
    (room_id, seq, kind, at, author_id, author_name, author_guest, body, key, reply_to, attachments, caller_id, caller_name) \
    SELECT p.value ->> 'room', p.value ->> 'seq', $2, $3, p.value ->> 'author', p.value ->> 'name', \
    p.value ->> 'guest', p.value ->> 'body', p.value ->> 'key', p.value ->> 'reply_to', \
    p.value ->> 'attachments', p.value ->> 'caller', p.value ->> 'caller_name' FROM json_each($1) p RETURNING id, room_id, seq";
const INSERT_POSTGRES: &str = "INSERT INTO entries \
    (room_id, seq, kind, at, author_id, author_name, author_guest, body, key, reply_to, attachments, caller_id, caller_name) \
    SELECT p.room, p.seq, $2, $3, p.author, p.name, p.guest, p.body, p.key, p.reply_to, p.attachments, p.caller, p.caller_name \
    FROM json_to_recordset($1::json) AS p \
    (room BIGINT, seq BIGINT, author BIGINT, name TEXT, guest BOOLEAN, body TEXT, key TEXT, reply_to BIGINT, attachments TEXT, caller BIGINT, caller_name TEXT) RETURNING id, room_id, seq";
// A file that went meanwhile is missing from the message's files, not from its text.
const ATTACH_SQLITE: &str = "INSERT INTO attachments (room_id, seq, media_id) \
    SELECT p.value ->> 'room', p.value ->> 'seq', m.id FROM json_each($1) p JOIN media m ON m.uid = p.value ->> 'media' \
    WHERE TRUE ON CONFLICT DO NOTHING";
const ATTACH_POSTGRES: &str = "INSERT INTO attachments (room_id, seq, media_id) \
    SELECT p.room, p.seq, m.id FROM json_to_recordset($1::json) AS p (room BIGINT, seq BIGINT, media TEXT) \
    JOIN media m ON m.uid = p.media ON CONFLICT DO NOTHING";

impl Tx {
    /// Stores posts in the order given, as the next entries of their rooms; returns one outcome for each. On an error nothing is
    /// stored.
    pub async fn add_posts(&mut self, posts: &[NewPost], at: Timestamp) -> Result<Vec<PostOutcome>> {
        self.in_savepoint(async |tx| tx.add_posts_unguarded(posts, at).await).await
    }

    pub(super) async fn add_posts_unguarded(&mut self, posts: &[NewPost], at: Timestamp) -> Result<Vec<PostOutcome>> {
        let known = self.known_keys(posts).await?;
        let mut fresh_keys: HashMap<Key, usize> = HashMap::new();
        // For each post: an earlier outcome, or the index of the post in this batch that it repeats.
        let mut repeats: Vec<Option<usize>> = vec![None; posts.len()];
        let mut counts: HashMap<RoomId, i64> = HashMap::new();
        for (i, post) in posts.iter().enumerate() {
            if known.contains_key(&i) {
                continue;
            }
            if let Some(first) = key_of(post).and_then(|key| match fresh_keys.entry(key) {
                std::collections::hash_map::Entry::Occupied(first) => Some(*first.get()),
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(i);
                    None
                }
            }) {
                repeats[i] = Some(first);
                continue;
            }
            *counts.entry(post.room).or_default() += 1;
        }
        let mut next = self.take_numbers(&counts).await?;

        let mut outcomes: Vec<PostOutcome> = Vec::with_capacity(posts.len());
        let mut rows: Vec<Value> = Vec::with_capacity(posts.len());
        let mut files: Vec<Value> = Vec::new();
        for (i, new) in posts.iter().enumerate() {
            let outcome = if let Some(&(seq, at)) = known.get(&i) {
                PostOutcome::Duplicate { seq, at }
            } else if let Some(first) = repeats[i] {
                match &outcomes[first] {
                    PostOutcome::Posted(entry) => PostOutcome::Duplicate { seq: entry.seq, at },
                    other => other.clone(),
                }
            } else if let Some((room, seq)) = next.get_mut(&new.room) {
                let entry = Entry {
                    room: new.room,
                    seq: seq.unsigned_abs(),
                    // Set after the insert.
                    number: 0,
                    at,
                    by: Author::from(&new.by),
                    what: EntryPayload::Posted(new.post.clone()),
                };
                rows.push(row(new, *room, *seq)?);
                files.extend(new.post.attachments.iter().filter_map(|attached| match attached {
                    Attachment::File(file) => Some(json!({"room": *room, "seq": *seq, "media": file.id})),
                    Attachment::Picture { .. } => None,
                }));
                *seq += 1;
                PostOutcome::Posted(entry)
            } else {
                PostOutcome::NoRoom
            };
            outcomes.push(outcome);
        }
        if !rows.is_empty() {
            let rows = Value::Array(rows).to_string();
            let sql = self.pick(INSERT_SQLITE, INSERT_POSTGRES);
            let numbers: Vec<(i64, i64, i64)> = each!(Tx: self, tx => {
                sqlx::query_as(sql).bind(&rows).bind(POSTED).bind(at).fetch_all(&mut **tx).await
            })?;
            let numbers: HashMap<_, _> =
                numbers.into_iter().map(|(number, room, seq)| ((room, seq.unsigned_abs()), number)).collect();
            let mut indexed = Vec::with_capacity(numbers.len());
            for outcome in &mut outcomes {
                if let PostOutcome::Posted(entry) = outcome
                    && let Some((room, _)) = next.get(&entry.room)
                    && let Some(number) = numbers.get(&(*room, entry.seq))
                {
                    entry.number = *number;
                    indexed.extend(to_index(entry, *room));
                }
            }
            self.index(&indexed).await?;
        }
        if !files.is_empty() {
            let files = Value::Array(files).to_string();
            let sql = self.pick(ATTACH_SQLITE, ATTACH_POSTGRES);
            each!(Tx: self, tx => sqlx::query(sql).bind(&files).execute(&mut **tx).await.map(|_| ()))?;
        }
        Ok(outcomes)
    }

    /// Indexes of the posts that were stored before under the same key, each with its earlier `seq` and time.
    async fn known_keys(&mut self, posts: &[NewPost]) -> Result<HashMap<usize, (u64, Timestamp)>> {
        let keyed: Vec<Value> = posts
            .iter()
            .enumerate()
            .filter_map(|(i, post)| {
                let (room, author, key) = key_of(post)?;
                Some(json!({"i": i, "room": room, "author": author, "key": &*key}))
            })
            .collect();
        if keyed.is_empty() {
            return Ok(HashMap::new());
        }
        let sql = self.pick(EXISTING_SQLITE, EXISTING_POSTGRES);
        let keyed = Value::Array(keyed).to_string();
        let rows: Vec<(i64, i64, i64)> =
            each!(Tx: self, tx => sqlx::query_as(sql).bind(&keyed).fetch_all(&mut **tx).await)?;
        Ok(rows
            .into_iter()
            .filter_map(|(i, seq, at)| Some((usize::try_from(i).ok()?, (seq.unsigned_abs(), Timestamp(at)))))
            .collect())
    }

    /// Reserves the next `seq` numbers of each room; returns the room's integer id and the first number. Rooms that are gone
    /// are left out.
    async fn take_numbers(&mut self, counts: &HashMap<RoomId, i64>) -> Result<HashMap<RoomId, (i64, i64)>> {
        if counts.is_empty() {
            return Ok(HashMap::new());
        }
        let wanted: Vec<Value> = counts.iter().map(|(room, n)| json!({"room": room, "n": n})).collect();
        let wanted = Value::Array(wanted).to_string();
        let sql = self.pick(NUMBERS_SQLITE, NUMBERS_POSTGRES);
        let taken: Vec<(RoomId, i64, i64)> =
            each!(Tx: self, tx => sqlx::query_as(sql).bind(&wanted).fetch_all(&mut **tx).await)?;
        Ok(taken.into_iter().map(|(room, id, last)| (room, (id, last - counts[&room] + 1))).collect())
    }
}

fn key_of(new: &NewPost) -> Option<Key> {
    match (Author::from(&new.by).account, &new.post.key) {
        (Some((_, number)), Some(key)) => Some((new.room, number, key.clone())),
        // A guest has no identity that outlives its connection.
        _ => None,
    }
}

fn to_index(entry: &Entry, room_id: i64) -> Option<Indexed> {
    let EntryPayload::Posted(post) = &entry.what else { return None };
    let author_id = entry.by.account.map(|(_, number)| number);
    Some(Indexed {
        id: entry.number,
        room_id,
        author_id,
        author_name: author_id.is_none().then(|| entry.by.name.to_string()),
        body: Some(post.body.to_string()),
    })
}

fn row(new: &NewPost, room: i64, seq: i64) -> Result<Value> {
    let author = Author::from(&new.by);
    let attachments = match &*new.post.attachments {
        [] => None,
        some => Some(serde_json::to_string(some).map_err(damaged)?),
    };
    Ok(json!({
        "room": room,
        "seq": seq,
        "author": author.account.map(|(_, number)| number),
        "name": if author.account.is_none() { Some(&*author.name) } else { None },
        "guest": author.kind == AuthorKind::Guest,
        "body": &*new.post.body,
        "key": new.post.key.as_deref(),
        "reply_to": new.post.reply_to,
        "attachments": attachments,
        "caller": new.on_behalf_of.as_ref().map(|account| account.number),
        "caller_name": new.on_behalf_of.as_ref().map(|account| &*account.name),
    }))
}
