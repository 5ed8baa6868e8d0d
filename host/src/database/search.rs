//! Finding messages by their words: the one thing that each engine does in its own way.

use super::entries::{EntryRow, columns};
use super::{Database, Pool, each};
use crate::error::Result;
use crate::protocol::{AccountId, Message, RoomId};

#[derive(sqlx::FromRow)]
struct Hit {
    room_uid: RoomId,
    #[sqlx(flatten)]
    entry: EntryRow,
}

// $1 the words, $2 who asks, $3 a room or none, $4 before which one, $5 how many.
macro_rules! search {
    ($from:literal, $matches:literal) => {
        concat!(
            "SELECT r.uid AS room_uid, ",
            columns!(),
            " FROM ",
            $from,
            " JOIN rooms r ON r.id = e.room_id JOIN members m ON m.room_id = r.id \
             JOIN users me ON me.id = m.user_id LEFT JOIN users u ON u.id = e.author_id WHERE ",
            $matches,
            " AND me.uid = $2 AND ($3 IS NULL OR r.uid = $3) AND e.id < $4 ORDER BY e.id DESC LIMIT $5"
        )
    };
}

const SQLITE: &str =
    search!("message_text t JOIN entries e ON e.id = t.rowid", "message_text MATCH $1 AND e.kind = 'message.posted'");
const POSTGRES: &str = search!("entries e", "e.words @@ plainto_tsquery('simple', $1)");

impl Database {
    /// Messages that hold all of these words, in rooms that the account is a member of: the newest first, each with its
    /// room.
    pub async fn search(
        &self,
        account: AccountId,
        words: &str,
        room: Option<RoomId>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<(RoomId, Message)>> {
        let (sql, words) = match &self.read {
            // Quoted, a word is a word: nothing in it is an operator.
            Pool::Sqlite(_) => (SQLITE, words.split_whitespace().map(quoted).collect::<Vec<_>>().join(" ")),
            Pool::Postgres(_) => (POSTGRES, words.to_owned()),
        };
        let hits: Vec<Hit> = each!(Pool: &self.read, pool => sqlx::query_as(sql)
            .bind(&words)
            .bind(account)
            .bind(room.map(|room| room.to_string()))
            .bind(before.unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await)?;
        hits.into_iter().map(|hit| Ok((hit.room_uid, hit.entry.message()?))).collect()
    }
}

fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('"', "\"\""))
}
