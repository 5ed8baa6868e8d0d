//! Queries the engines' full-text indexes for the newest matching entries.

use std::time::{Duration, Instant};

use sqlx::SqlitePool;

use super::super::postgres::Engine;
use super::super::search_index::{RANGE_BITS, lexeme_text, range_lexeme};
use super::super::{Database, Pool};
use super::{IdRange, RoomQuery};
use crate::error::Result;

/// The most matches that PostgreSQL may find in one range before a smaller range is queried. No less than the number of ids
/// in the smallest range.
const MAX_MATCHES: usize = 1 << RANGE_BITS[0];

// FTS5 produces its rows in this order without sorting.
const SQLITE: &str = "SELECT rowid FROM search_index WHERE search_index MATCH $1 AND rowid < $2 AND rowid >= $3 \
    ORDER BY rowid DESC LIMIT $4";
// `+ 0` keeps the planner from using the index on ids instead of that on words.
const POSTGRES: &str = "SELECT entry_id FROM search_index WHERE words @@ $1::text::tsquery \
    AND entry_id + 0 < $2 AND entry_id + 0 >= $3 LIMIT $4";

/// Number of ids in SQLite's first and smallest window, and in the largest: these bound the duration of one statement.
const MIN_WINDOW_IDS: i64 = 1 << 16;
const MAX_WINDOW_IDS: i64 = 1 << 32;
/// A faster statement is followed by one over more ids, one slower than `SLOW_STATEMENT` by one over fewer.
const QUICK_STATEMENT: Duration = Duration::from_millis(5);
const SLOW_STATEMENT: Duration = Duration::from_millis(50);

impl Database {
    /// The latest entries in these rooms that match, and the id down to which was searched: the deadline may end the search early, but
    /// not before one range was searched.
    pub(super) async fn find(
        &self,
        rooms: &[RoomQuery],
        ids: IdRange,
        limit: u32,
        deadline: Instant,
    ) -> Result<(Vec<i64>, i64)> {
        match &self.read {
            Pool::Sqlite(pool) => find_in_sqlite(pool, rooms, ids, limit, deadline).await,
            Pool::Postgres(pool) => find_in_postgres(pool, rooms, ids, limit, deadline).await,
        }
    }
}

fn newest(rooms: &[RoomQuery]) -> i64 {
    rooms.iter().map(|room| room.newest).max().unwrap_or(0)
}

/// FTS5 intersects lists by reading them, so only the range of ids bounds the time it takes. It is queried window by window, from the
/// newest on, with larger windows as long as that is quick.
async fn find_in_sqlite(
    pool: &SqlitePool,
    rooms: &[RoomQuery],
    ids: IdRange,
    limit: u32,
    deadline: Instant,
) -> Result<(Vec<i64>, i64)> {
    let query = fts5_query(rooms);
    let mut before = ids.before.min(newest(rooms).saturating_add(1));
    let mut window = MIN_WINDOW_IDS;
    let mut found: Vec<i64> = Vec::new();
    while before > ids.from && found.len() < limit as usize {
        let (began, from) = (Instant::now(), before.saturating_sub(window).max(ids.from));
        let matches: Vec<i64> = sqlx::query_scalar(SQLITE)
            .bind(&query)
            .bind(before)
            .bind(from)
            .bind(i64::from(limit) - found.len() as i64)
            .fetch_all(pool)
            .await?;
        found.extend(matches);
        before = from;
        window = match began.elapsed() {
            took if took < QUICK_STATEMENT => (window * 16).min(MAX_WINDOW_IDS),
            took if took > SLOW_STATEMENT => (window / 4).max(MIN_WINDOW_IDS),
            _ => window,
        };
        if Instant::now() >= deadline {
            break;
        }
    }
    Ok(looked(found, before, ids, limit))
}

/// The found ids, and the id down to which they are complete: a full page misses nothing that is newer than its oldest entry.
fn looked(found: Vec<i64>, before: i64, ids: IdRange, limit: u32) -> (Vec<i64>, i64) {
    let full = found.len() >= limit as usize;
    (found, if full { ids.from } else { before.max(ids.from) })
}

/// PostgreSQL's index returns all matches or none, in no order. So it is queried range by range, from the newest on: small ranges
/// first, larger ones after few matches, and smaller ones again after too many matches or a slow statement.
async fn find_in_postgres(
    pool: &Engine,
    rooms: &[RoomQuery],
    ids: IdRange,
    limit: u32,
    deadline: Instant,
) -> Result<(Vec<i64>, i64)> {
    let query = tsquery(rooms);
    let mut before = ids.before.min(newest(rooms).saturating_add(1));
    let mut level = 0;
    // Ranges with too many matches, the smallest last: their first id and level.
    let mut crowded: Vec<(i64, usize)> = Vec::new();
    let mut found = Vec::new();
    while before > ids.from && found.len() < limit as usize {
        let began = Instant::now();
        let from = ((before - 1) >> RANGE_BITS[level]) << RANGE_BITS[level];
        let mut matches: Vec<i64> = sqlx::query_scalar(POSTGRES)
            .bind(format!("({query}) & {}", lexeme_text(&range_lexeme(level, from))))
            .bind(before)
            .bind(ids.from)
            .bind(i64::try_from(MAX_MATCHES + 1).unwrap_or(i64::MAX))
            .fetch_all(pool)
            .await?;
        if matches.len() > MAX_MATCHES && level > 0 {
            crowded.push((from, level));
            level -= 1;
            continue;
        }
        matches.sort_unstable_by(|a, b| b.cmp(a));
        found.append(&mut matches);
        before = from;
        if Instant::now() >= deadline {
            break;
        }
        crowded.retain(|(from, _)| *from < before);
        let most = crowded.last().map_or(RANGE_BITS.len(), |(_, level)| *level) - 1;
        let next = if began.elapsed() > SLOW_STATEMENT { level.saturating_sub(1) } else { level + 1 };
        level = next.min(most);
    }
    found.truncate(limit as usize);
    Ok(looked(found, before, ids, limit))
}

/// The query in FTS5's syntax.
fn fts5_query(rooms: &[RoomQuery]) -> String {
    let phrase = |room: i64, tokens: &[String]| {
        let tokens: Vec<String> = tokens.iter().map(|token| format!("{room}/{}", token.replace('"', "\"\""))).collect();
        format!("\"{}\"", tokens.join(" "))
    };
    render(rooms, " AND ", " OR ", phrase)
}

/// The query in the syntax of PostgreSQL's `tsquery`.
fn tsquery(rooms: &[RoomQuery]) -> String {
    let phrase = |room: i64, tokens: &[String]| {
        let tokens: Vec<String> = tokens.iter().map(|token| lexeme_text(&format!("{room}/{token}"))).collect();
        format!("({})", tokens.join(" <-> "))
    };
    render(rooms, " & ", " | ", phrase)
}

fn render(rooms: &[RoomQuery], and: &str, or: &str, phrase: impl Fn(i64, &[String]) -> String) -> String {
    let term = |room: i64, phrases: &Vec<Vec<String>>| {
        let phrases: Vec<String> = phrases.iter().map(|tokens| phrase(room, tokens)).collect();
        format!("({})", phrases.join(or))
    };
    let in_room = |room: &RoomQuery| {
        let terms: Vec<String> = room.terms.iter().map(|phrases| term(room.room, phrases)).collect();
        format!("({})", terms.join(and))
    };
    rooms.iter().map(in_room).collect::<Vec<_>>().join(or)
}
