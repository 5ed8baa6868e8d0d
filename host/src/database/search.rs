//! Full-text search for messages. This module works out, for both engines, what to search for in which rooms; [`engines`]
//! runs the queries.

mod engines;
mod removed;
mod terms;

use std::time::{Duration, Instant};

use super::entries::{EntryRow, columns};
use super::{Database, Pool, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::name::key;
use crate::protocol::{AccountId, Message, RoomId};
use crate::search::query::Query;

/// Time limit for one page. Words that are each common but hardly ever occur together are in no list of their own;
/// a page that takes longer ends early, and the next one continues from there.
const TIME_LIMIT: Duration = Duration::from_millis(500);
/// The most phrases that one statement searches for.
const MAX_PHRASES: usize = 256;

/// A room to search, and its query: a message must match all of these terms, and of each term any phrase.
#[derive(Clone, Debug)]
struct RoomQuery {
    room: i64,
    /// Id of the room's latest entry.
    newest: i64,
    terms: Vec<Vec<Tokens>>,
}

/// Tokens that follow each other.
type Tokens = Vec<String>;

/// The entries to search: ids from `from` up to but without `before`.
#[derive(Clone, Copy, Debug)]
struct IdRange {
    from: i64,
    before: i64,
}

#[derive(sqlx::FromRow)]
struct Hit {
    room_uid: RoomId,
    #[sqlx(flatten)]
    entry: EntryRow,
}

// $1 the account, $2 one room or none.
const ROOMS: &str = "SELECT r.id, r.uid, r.code, r.name_key, \
    COALESCE((SELECT e.id FROM entries e WHERE e.room_id = r.id AND e.seq <= r.last_seq ORDER BY e.seq DESC LIMIT 1), 0) AS newest \
    FROM members m JOIN users me ON me.id = m.user_id JOIN rooms r ON r.id = m.room_id \
    WHERE me.uid = $1 AND ($2 IS NULL OR r.uid = $2)";

// Makes the planners start from the ids: they do not know how few there are.
macro_rules! hits {
    ($entries:literal, $join:literal) => {
        concat!(
            "SELECT r.uid AS room_uid, ",
            columns!(),
            " FROM ",
            $entries,
            $join,
            " rooms r ON r.id = e.room_id ",
            $join,
            " users me ON me.uid = $2 ",
            $join,
            " members m ON m.room_id = r.id AND m.user_id = me.id LEFT JOIN users u ON u.id = e.author_id \
             WHERE e.kind = 'message.posted' AND e.deleted_at IS NULL AND e.at >= $3 AND e.at < $4 ORDER BY e.id DESC"
        )
    };
}
const HITS_SQLITE: &str =
    hits!("(SELECT value AS id FROM json_each($1)) p CROSS JOIN entries e ON e.id = p.id ", "CROSS JOIN");
const HITS_POSTGRES: &str = hits!(
    "(SELECT * FROM entries WHERE id = ANY (ARRAY(SELECT value::BIGINT FROM json_array_elements_text($1::json))) OFFSET 0) e ",
    "JOIN"
);

// Binary search: ids grow roughly with time.
macro_rules! older_in_the_middle {
    () => {
        "COALESCE((SELECT e.at FROM entries e WHERE e.id >= (low + high) / 2 ORDER BY e.id LIMIT 1), $1) < $1"
    };
}
const FIRST_SINCE: &str = concat!(
    "WITH RECURSIVE halves (low, high) AS (\
     SELECT COALESCE((SELECT MIN(id) FROM entries), 0), COALESCE((SELECT MAX(id) FROM entries), 0) + 1 \
     UNION ALL \
     SELECT CASE WHEN ",
    older_in_the_middle!(),
    " THEN (low + high) / 2 + 1 ELSE low END, \
     CASE WHEN ",
    older_in_the_middle!(),
    " THEN high ELSE (low + high) / 2 END FROM halves WHERE low < high) \
     SELECT MAX(low) FROM halves"
);

/// A page of found messages, each with its room, and the entry from which to continue. There may be more although the page is not full.
pub type Found = (Vec<(RoomId, Message)>, Option<i64>);

impl Database {
    /// Messages with an id below `before` that match all of `query`, in rooms that the account is a member of, the newest
    /// first.
    pub async fn search(
        &self,
        account: AccountId,
        query: &Query,
        room: Option<RoomId>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Found> {
        self.search_for(TIME_LIMIT, account, query, room, before, limit).await
    }

    pub(super) async fn search_for(
        &self,
        time: Duration,
        account: AccountId,
        query: &Query,
        room: Option<RoomId>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Found> {
        let deadline = Instant::now() + time;
        let rooms = self.rooms_to_search(account, query, room).await?;
        let ids = self.ids_to_search(query, before).await?;
        let mut rooms = self.terms_in_rooms(rooms, query).await?;
        rooms.retain(|room| room.newest >= ids.from);
        // Rooms with the latest entries first: the newest hits may be there.
        rooms.sort_unstable_by_key(|room| std::cmp::Reverse(room.newest));
        let limit_rows = limit as usize;
        let mut found: Vec<i64> = Vec::new();
        let mut left = rooms.as_slice();
        // The rooms searched so far were searched down to this id.
        let mut looked_from = ids.from;
        while let Some(first) = left.first() {
            if found.len() >= limit_rows && found.last().is_some_and(|last| first.newest < *last) {
                break;
            }
            let (some, others) = left.split_at(rooms_per_statement(left));
            let (more, reached) = self.find(some, IdRange { from: looked_from, ..ids }, limit, deadline).await?;
            looked_from = reached;
            found.extend(more);
            found.retain(|id| *id >= looked_from);
            found.sort_unstable_by(|a, b| b.cmp(a));
            found.truncate(limit_rows);
            left = others;
        }
        let next = match found.last() {
            Some(last) if found.len() == limit_rows => Some(*last),
            _ => (looked_from > ids.from).then_some(looked_from),
        };
        Ok((self.hits(account, &found, query).await?, next))
    }

    async fn rooms_to_search(
        &self,
        account: AccountId,
        query: &Query,
        room: Option<RoomId>,
    ) -> Result<Vec<(i64, i64)>> {
        let rows: Vec<(i64, String, String, Option<String>, i64)> = each!(Pool: &self.read, pool => sqlx::query_as(ROOMS)
                .bind(account)
                .bind(room.map(|room| room.to_string()))
                .fetch_all(pool)
                .await)?;
        for name in &query.rooms {
            if !rows.iter().any(|(_, uid, code, key, _)| is_called(name, uid, code, key.as_deref())) {
                return Err(Error::invalid("query", format!("`in:{name}` is none of your rooms")));
            }
        }
        let named = |uid: &str, code: &str, key: Option<&str>| {
            query.rooms.is_empty() || query.rooms.iter().any(|name| is_called(name, uid, code, key))
        };
        Ok(rows
            .into_iter()
            .filter(|(_, uid, code, key, newest)| *newest > 0 && named(uid, code, key.as_deref()))
            .map(|(id, _, _, _, newest)| (id, newest))
            .collect())
    }

    async fn ids_to_search(&self, query: &Query, before: Option<i64>) -> Result<IdRange> {
        let mut ids = IdRange { from: 0, before: before.unwrap_or(i64::MAX) };
        if let Some(Timestamp(after)) = query.after {
            ids.from = self.first_since(after).await?;
        }
        if let Some(Timestamp(moment)) = query.before {
            ids.before = ids.before.min(self.first_since(moment).await?);
        }
        Ok(ids)
    }

    async fn first_since(&self, at: i64) -> Result<i64> {
        let first: Option<i64> =
            each!(Pool: &self.read, pool => sqlx::query_scalar(FIRST_SINCE).bind(at).fetch_one(pool).await)?;
        Ok(first.unwrap_or(0))
    }

    async fn hits(&self, account: AccountId, found: &[i64], query: &Query) -> Result<Vec<(RoomId, Message)>> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let sql = match &self.read {
            Pool::Sqlite(_) => HITS_SQLITE,
            Pool::Postgres(_) => HITS_POSTGRES,
        };
        let hits: Vec<Hit> = each!(Pool: &self.read, pool => sqlx::query_as(sql)
            .bind(serde_json::Value::from(found).to_string())
            .bind(account)
            .bind(query.after.unwrap_or(Timestamp(i64::MIN)))
            .bind(query.before.unwrap_or(Timestamp(i64::MAX)))
            .fetch_all(pool)
            .await)?;
        hits.into_iter().map(|hit| Ok((hit.room_uid, hit.entry.message()?))).collect()
    }
}

fn is_called(name: &str, uid: &str, code: &str, stored: Option<&str>) -> bool {
    uid == name || code == name || stored.is_some_and(|stored| key(stored) == key(name))
}

/// How many of these rooms one statement searches.
fn rooms_per_statement(rooms: &[RoomQuery]) -> usize {
    let mut phrases = 0;
    let many = rooms.iter().take_while(|room| {
        phrases += room.terms.iter().map(Vec::len).sum::<usize>();
        phrases <= MAX_PHRASES
    });
    many.count().max(1)
}
