//! Writes the search index: how a message's tokens are stored in either engine, and the background indexing of messages that
//! were not indexed when they were stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Database, Pool, Tx, each};
use crate::error::Result;
use crate::search::tokens::{VERSION, index_runs, name_token};

/// Entries that one background transaction looks at: few, so that posts get their turn in between.
const ENTRIES_PER_BATCH: i64 = 200;
/// Sizes of the ranges of ids by which PostgreSQL's index can find entries: 2^12 ids, 2^16 and so on.
pub(super) const RANGE_BITS: [u32; 5] = [12, 16, 20, 24, 28];

const INDEX_SQLITE: &str = "INSERT OR REPLACE INTO search_index (rowid, tokens) \
    SELECT p.value ->> 'id', p.value ->> 'words' FROM json_each($1) p";
const INDEX_POSTGRES: &str = "INSERT INTO search_index (entry_id, words) \
    SELECT p.id, p.words::tsvector FROM json_to_recordset($1::json) AS p (id BIGINT, words TEXT) \
    ON CONFLICT (entry_id) DO UPDATE SET words = excluded.words";
// Keeps an entry that was indexed meanwhile, since it is newer.
const FILL_POSTGRES: &str = "INSERT INTO search_index (entry_id, words) \
    SELECT p.id, p.words::tsvector FROM json_to_recordset($1::json) AS p (id BIGINT, words TEXT) \
    JOIN entries e ON e.id = p.id AND e.body IS NOT NULL ON CONFLICT (entry_id) DO NOTHING";
const TERMS_SQLITE: &str = "INSERT OR IGNORE INTO search_terms (room_id, term) \
    SELECT p.value ->> 'room', t.value FROM json_each($1) p, json_each(p.value -> 'terms') t";
// In a fixed order, so that two writers cannot deadlock.
const TERMS_POSTGRES: &str = "INSERT INTO search_terms (room_id, term) \
    SELECT DISTINCT p.room, t.term COLLATE \"C\" FROM json_to_recordset($1::json) AS p (room BIGINT, terms JSON), \
    json_array_elements_text(p.terms) AS t (term) \
    WHERE NOT EXISTS (SELECT 1 FROM search_terms s WHERE s.room_id = p.room AND s.term = t.term COLLATE \"C\") \
    ORDER BY 1, 2 ON CONFLICT DO NOTHING";
const PROGRESS_SQLITE: &str = "SELECT version, next_id FROM search_progress";
// Only one node at a time gets the row.
const PROGRESS_POSTGRES: &str = "SELECT version, next_id FROM search_progress FOR UPDATE SKIP LOCKED";
const UNINDEXED: &str = "SELECT e.id, e.kind, e.room_id, e.author_id, e.author_name, e.body FROM entries e \
    WHERE e.id <= $1 ORDER BY e.id DESC LIMIT $2";
const PENDING_SQLITE: &str = "SELECT e.id, e.kind, e.room_id, e.author_id, e.author_name, e.body FROM search_pending p \
    JOIN entries e ON e.id = p.entry_id ORDER BY p.entry_id LIMIT $1";
const PENDING_POSTGRES: &str = "SELECT e.id, e.kind, e.room_id, e.author_id, e.author_name, e.body FROM search_pending p \
    JOIN entries e ON e.id = p.entry_id ORDER BY p.entry_id LIMIT $1 FOR UPDATE OF p SKIP LOCKED FOR SHARE OF e SKIP LOCKED";

/// A message to index.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Indexed {
    pub(super) id: i64,
    pub(super) room_id: i64,
    pub(super) author_id: Option<i64>,
    pub(super) author_name: Option<String>,
    /// None if it was deleted.
    pub(super) body: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Stored {
    kind: String,
    #[sqlx(flatten)]
    entry: Indexed,
}

/// Progress of background indexing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// This number of messages were indexed, and there may be more.
    More(u64),
    Done,
}

/// What to do with a message that is indexed already.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conflict {
    Overwrite,
    Keep,
}

impl Tx {
    /// Indexes messages as they are now. Code that stores or changes the text of a message must call this in the same
    /// transaction, or leave the entry's id in `search_pending`.
    pub(super) async fn index(&mut self, entries: &[Indexed]) -> Result<()> {
        self.index_unless(entries, Conflict::Overwrite).await
    }

    async fn index_unless(&mut self, entries: &[Indexed], conflict: Conflict) -> Result<()> {
        let mut rows = Vec::with_capacity(entries.len());
        let mut terms: BTreeMap<i64, BTreeSet<String>> = BTreeMap::new();
        for entry in entries {
            let Some(body) = &entry.body else { continue };
            let runs = index_runs(body);
            let words = match self {
                Self::Sqlite(_) => to_fts5(entry, &runs),
                Self::Postgres(_) => to_tsvector(entry, &runs),
            };
            rows.push(json!({"id": entry.id, "words": words}));
            terms.entry(entry.room_id).or_default().extend(runs.into_iter().flatten());
        }
        if rows.is_empty() {
            return Ok(());
        }
        self.share_terms(&terms.keys().copied().collect::<Vec<_>>()).await?;
        let rows = Value::Array(rows).to_string();
        let terms: Vec<Value> = terms.iter().map(|(room, terms)| json!({"room": room, "terms": terms})).collect();
        let terms = Value::Array(terms).to_string();
        let postgres = if conflict == Conflict::Keep { FILL_POSTGRES } else { INDEX_POSTGRES };
        for (sql, json) in
            [(self.pick(INDEX_SQLITE, postgres), &rows), (self.pick(TERMS_SQLITE, TERMS_POSTGRES), &terms)]
        {
            each!(Tx: self, tx => sqlx::query(sql).bind(json).execute(&mut **tx).await.map(|_| ()))?;
        }
        Ok(())
    }

    /// Indexes these messages again: their text was changed.
    pub(super) async fn reindex(&mut self, ids: &[i64]) -> Result<()> {
        for some in ids.chunks(ENTRIES_PER_BATCH as usize) {
            let ids = Value::from(some).to_string();
            let sql = self.pick(
                "SELECT id, room_id, author_id, author_name, body FROM entries WHERE id IN (SELECT value FROM json_each($1))",
                "SELECT id, room_id, author_id, author_name, body FROM entries \
                 WHERE id IN (SELECT value::BIGINT FROM json_array_elements_text($1::json))",
            );
            let changed: Vec<Indexed> =
                each!(Tx: self, tx => sqlx::query_as(sql).bind(&ids).fetch_all(&mut **tx).await)?;
            self.index(&changed).await?;
        }
        Ok(())
    }

    /// Indexes the next older messages, the newest first.
    async fn index_older(&mut self) -> Result<Indexing> {
        let sql = self.pick(PROGRESS_SQLITE, PROGRESS_POSTGRES);
        let progress: Option<(i64, i64)> = each!(Tx: self, tx => sqlx::query_as(sql).fetch_optional(&mut **tx).await)?;
        // Another node is indexing.
        let Some((version, next)) = progress else { return Ok(Indexing::Done) };
        let next = if version < VERSION { self.restart_index(version).await? } else { next };
        if next == 0 {
            return Ok(Indexing::Done);
        }
        let entries: Vec<Stored> = each!(Tx: self, tx => sqlx::query_as(UNINDEXED)
            .bind(next)
            .bind(ENTRIES_PER_BATCH)
            .fetch_all(&mut **tx)
            .await)?;
        let next = entries.last().map_or(0, |last| last.entry.id - 1);
        let messages = messages(entries);
        self.index_unless(&messages, Conflict::Keep).await?;
        self.set_progress(next).await?;
        Ok(Indexing::More(messages.len() as u64))
    }

    /// Starts over with this version of the tokeniser; returns the id of the latest entry.
    async fn restart_index(&mut self, version: i64) -> Result<i64> {
        if version > 0 {
            let clear =
                self.pick("INSERT INTO search_index (search_index) VALUES ('delete-all')", "TRUNCATE search_index");
            self.statement(clear).await?;
            self.statement("DELETE FROM search_terms").await?;
        }
        each!(Tx: self, tx => sqlx::query("UPDATE search_progress SET version = $1").bind(VERSION).execute(&mut **tx).await.map(|_| ()))?;
        Ok(
            each!(Tx: self, tx => sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM entries").fetch_one(&mut **tx).await)?,
        )
    }

    async fn set_progress(&mut self, next: i64) -> Result<()> {
        each!(Tx: self, tx => sqlx::query("UPDATE search_progress SET next_id = $1").bind(next).execute(&mut **tx).await.map(|_| ()))?;
        Ok(())
    }

    /// Indexes entries that were stored or changed without being indexed.
    async fn index_pending(&mut self) -> Result<Indexing> {
        let sql = self.pick(PENDING_SQLITE, PENDING_POSTGRES);
        let entries: Vec<Stored> =
            each!(Tx: self, tx => sqlx::query_as(sql).bind(ENTRIES_PER_BATCH).fetch_all(&mut **tx).await)?;
        if entries.is_empty() {
            return Ok(Indexing::Done);
        }
        let ids: Vec<i64> = entries.iter().map(|stored| stored.entry.id).collect();
        let ids = Value::from(ids).to_string();
        let messages = messages(entries);
        self.index(&messages).await?;
        for sql in [
            self.pick(
                "DELETE FROM search_index WHERE rowid IN (SELECT p.value FROM json_each($1) p JOIN entries e ON e.id = p.value \
                 WHERE e.body IS NULL)",
                "DELETE FROM search_index WHERE entry_id IN (SELECT e.id FROM json_array_elements_text($1::json) AS p (id) \
                 JOIN entries e ON e.id = p.id::BIGINT WHERE e.body IS NULL)",
            ),
            self.pick(
                "DELETE FROM search_pending WHERE entry_id IN (SELECT value FROM json_each($1))",
                "DELETE FROM search_pending WHERE entry_id IN (SELECT p.id::BIGINT FROM json_array_elements_text($1::json) AS p (id))",
            ),
        ] {
            each!(Tx: self, tx => sqlx::query(sql).bind(&ids).execute(&mut **tx).await.map(|_| ()))?;
        }
        Ok(Indexing::More(messages.len() as u64))
    }
}

impl Database {
    /// Whether other nodes may store messages without indexing them.
    pub fn has_other_writers(&self) -> bool {
        matches!(self.write, Pool::Postgres(_))
    }

    /// Indexes one batch of messages that are not indexed yet: first those that were changed without being indexed, then
    /// those of earlier versions. Several nodes may do so at once.
    pub async fn index_some(&self) -> Result<Indexing> {
        let mut tx = self.begin().await?;
        let mut done = tx.index_pending().await?;
        if done == Indexing::Done {
            done = tx.index_older().await?;
        }
        tx.commit().await?;
        Ok(done)
    }
}

fn messages(stored: Vec<Stored>) -> Vec<Indexed> {
    stored
        .into_iter()
        .filter(|one| one.kind == super::entries::POSTED && one.entry.body.is_some())
        .map(|one| one.entry)
        .collect()
}

/// The token of a message's author, among those of its room.
pub(super) fn author_token(account: Option<i64>, name: Option<&str>) -> String {
    match account {
        Some(number) => format!("@{number}"),
        None => format!("@@{}", name_token(name.unwrap_or_default())),
    }
}

/// A message as the FTS5 table's tokeniser reads it: split at spaces.
fn to_fts5(entry: &Indexed, runs: &[Vec<String>]) -> String {
    let room = entry.room_id;
    let mut text = format!("{room}/{}", author_token(entry.author_id, entry.author_name.as_deref()));
    for run in runs {
        text.push_str(" /");
        for token in run {
            // Writing to a string cannot fail.
            let _ = write!(text, " {room}/{token}");
        }
    }
    text
}

/// A message as a `tsvector` literal.
fn to_tsvector(entry: &Indexed, runs: &[Vec<String>]) -> String {
    let room = entry.room_id;
    let mut lexemes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    lexemes.insert(format!("{room}/{}", author_token(entry.author_id, entry.author_name.as_deref())), Vec::new());
    for level in 0..RANGE_BITS.len() {
        lexemes.insert(range_lexeme(level, entry.id), Vec::new());
    }
    let mut position = 0;
    for run in runs {
        for token in run {
            position += 1;
            lexemes.entry(format!("{room}/{token}")).or_default().push(position);
        }
        position += 1;
    }
    let mut text = String::new();
    for (lexeme, positions) in &lexemes {
        let _ = write!(text, "{} ", lexeme_text(lexeme));
        if !positions.is_empty() {
            text.pop();
            for (at, position) in positions.iter().enumerate() {
                let _ = write!(text, "{}{position}", if at == 0 { ':' } else { ',' });
            }
            text.push(' ');
        }
    }
    text
}

/// The lexeme shared by all entries whose id is in the same range of this level.
pub(super) fn range_lexeme(level: usize, id: i64) -> String {
    format!("/{level}/{}", id >> RANGE_BITS[level])
}

/// A lexeme quoted for `tsvector` and `tsquery` literals.
pub(super) fn lexeme_text(lexeme: &str) -> String {
    format!("'{}'", lexeme.replace('\\', "\\\\").replace('\'', "''"))
}
