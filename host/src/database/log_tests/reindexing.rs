//! Upgrades from a version without the index: stored messages are indexed in the background, and so are those that nodes of
//! that version store meanwhile.

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::super::{Database, Indexing, Pool, migrate};
use super::test_databases;
use crate::protocol::AccountId;
use crate::search::query::Query;

const FIRST_INDEX_MIGRATION: i64 = 16;
const SAMPLE_ROWS: &str = "INSERT INTO users (id, uid, username, username_key, password_hash, created_at, updated_at) \
     VALUES (1, '00000000-0000-7000-8000-000000000001', 'ann', 'ann', '', 0, 0); \
     INSERT INTO rooms (id, uid, code, name, name_key, kind, visibility, last_seq, created_at) \
     VALUES (1, '00000000-0000-7000-8000-000000000002', 'code', 'lobby', 'lobby', 'room', 'public', 1000, 0); \
     INSERT INTO members (room_id, user_id, role, joined_at) VALUES (1, 1, 'member', 0); \
     INSERT INTO entries (id, room_id, seq, kind, at, author_id, body, data) \
     WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
     SELECT i, 1, i, CASE WHEN i % 4 = 0 THEN 'message.reacted' ELSE 'message.posted' END, i, 1, \
     CASE WHEN i % 4 = 0 THEN NULL ELSE 'Straße ' || i END, '{}' FROM n;";

fn migrations_before_index(migrator: &Migrator) -> Migrator {
    Migrator::with_migrations(migrator.iter().filter(|one| one.version < FIRST_INDEX_MIGRATION).cloned().collect())
}

async fn found(database: &Database, query: &str) -> Vec<u64> {
    let ann: AccountId = "00000000-0000-7000-8000-000000000001".parse().unwrap();
    let (messages, _) = database.search(ann, &Query::parse(query).unwrap(), None, None, 10).await.unwrap();
    messages.into_iter().map(|(_, message)| message.seq).collect()
}

#[tokio::test]
async fn old_messages_are_indexed_newest_first_and_indexing_resumes_after_a_restart() {
    for target in test_databases().await {
        let database = Database::open_as_it_is(&target.options(1)).await;
        let database = match database {
            Ok(database) => database,
            Err(_) => Database::connect(&target.options(1), true, None).await.unwrap(),
        };
        match &database.write {
            Pool::Sqlite(pool) => migrations_before_index(&migrate::SQLITE).run(pool).await.unwrap(),
            Pool::Postgres(pool) => migrations_before_index(&migrate::POSTGRES).run(pool.unguarded()).await.unwrap(),
        }
        database.run(SAMPLE_ROWS).await;
        database.close().await;

        let database = Database::open(&target.options(1)).await.unwrap();
        assert!(found(&database, "strasse").await.is_empty());
        assert_eq!(
            database.index_some().await.unwrap(),
            Indexing::More(150),
            "200 entries, a quarter of them reactions"
        );
        assert_eq!(found(&database, "\"strasse 999\"").await, [999]);
        assert!(found(&database, "\"strasse 1\"").await.is_empty());
        // Messages deleted meanwhile are not indexed.
        database.run("UPDATE entries SET body = NULL, deleted_at = 1 WHERE seq IN (998, 2)").await;
        database.close().await;

        let database = Database::open(&target.options(1)).await.unwrap();
        let mut messages = 0;
        for _ in 0..20 {
            match database.index_some().await.unwrap() {
                Indexing::More(more) => messages += more,
                Indexing::Done => break,
            }
        }
        assert!(messages < 750, "{messages}: indexed messages are not indexed again");
        assert_eq!(found(&database, "\"strasse 1\"").await, [1]);
        assert_eq!(found(&database, "strasse from:ann").await.len(), 10);
        assert!(found(&database, "998").await.is_empty() && found(&database, "2").await.is_empty());
        database.close().await;
    }
}

#[tokio::test]
async fn messages_stored_by_older_nodes_are_indexed() {
    for target in test_databases().await.into_iter().filter(|target| !target.is_sqlite()) {
        let database = Database::open(&target.options(1)).await.unwrap();
        database.run(SAMPLE_ROWS).await;
        database.run("UPDATE search_progress SET version = 1000").await;
        // A node of that version does not set `natterjack.indexes`.
        let mut old = PgConnection::connect(&target.url).await.unwrap();
        for sql in [
            "SELECT setval(pg_get_serial_sequence('entries', 'id'), 1000)",
            "INSERT INTO entries (room_id, seq, kind, at, author_id, body) VALUES (1, 1001, 'message.posted', 1, 1, 'a heron')",
            "UPDATE rooms SET last_seq = 1001",
            "UPDATE entries SET body = 'a stork' WHERE seq = 5",
        ] {
            sqlx::query(AssertSqlSafe(sql)).execute(&mut old).await.unwrap();
        }
        assert_eq!(database.index_some().await.unwrap(), Indexing::More(2));
        assert_eq!(found(&database, "heron").await, [1001]);
        assert_eq!(found(&database, "stork").await, [5]);
        sqlx::query("UPDATE entries SET body = NULL, deleted_at = 1 WHERE seq = 5").execute(&mut old).await.unwrap();
        assert!(found(&database, "stork").await.is_empty());
        database.index_some().await.unwrap();
        assert_eq!(database.index_some().await.unwrap(), Indexing::Done);
        database.close().await;
    }
}
