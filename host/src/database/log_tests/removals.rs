//! Background removal of data of deleted rooms and messages, and searches that take several pages.

use std::time::Duration;

use super::super::{Database, Pool, each};
use super::{TestDatabase, test_databases};
use crate::clock::now;
use crate::protocol::{AccountId, Actor, Change, MediaId, RoomId, Unit};
use crate::search::query::Query;

const ROOM: &str = "00000000-0000-7000-8000-100000000001";
const ANN: &str = "00000000-0000-7000-8000-000000000001";
const FILE: &str = "00000000-0000-7000-8000-200000000001";

fn room() -> RoomId {
    ROOM.parse().unwrap()
}

fn ann() -> AccountId {
    ANN.parse().unwrap()
}

/// Ann's room with this number of messages, the last of which carries a file.
async fn filled(test_database: &TestDatabase, messages: u32) -> Database {
    let database = Database::open(&test_database.options(1)).await.unwrap();
    for sql in [
        format!(
            "INSERT INTO users (id, uid, username, username_key, password_hash, created_at, updated_at) VALUES (1, '{ANN}', 'ann', 'ann', '', 0, 0)"
        ),
        format!(
            "INSERT INTO rooms (id, uid, code, name, name_key, kind, visibility, last_seq, created_at) VALUES (1, '{ROOM}', 'c', 'den', 'den', 'room', 'public', {messages}, 0)"
        ),
        "INSERT INTO members (room_id, user_id, role, joined_at) VALUES (1, 1, 'owner', 0)".into(),
        format!(
            "INSERT INTO entries (id, room_id, seq, kind, at, author_id, body) WITH RECURSIVE n (i) AS \
             (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {messages}) SELECT i, 1, i, 'message.posted', i, 1, 'heron ' || i FROM n"
        ),
        format!(
            "INSERT INTO media (id, uid, user_id, name, type, size, complete, created_at) VALUES (1, '{FILE}', 1, 'a', 'image/png', 1, TRUE, 0)"
        ),
        format!("INSERT INTO attachments (room_id, seq, media_id) VALUES (1, {messages}, 1)"),
        "UPDATE names SET key = 'den' WHERE space = 'room'".into(),
    ] {
        database.run(&sql).await;
    }
    if matches!(database.write, Pool::Postgres(_)) {
        database.run("SELECT setval(pg_get_serial_sequence('entries', 'id'), (SELECT MAX(id) FROM entries))").await;
        database.run("SELECT setval(pg_get_serial_sequence('rooms', 'id'), 1)").await;
    }
    while database.index_some().await.unwrap() != super::super::Indexing::Done {}
    database
}

async fn apply(database: &Database, change: Change) {
    let mut tx = database.begin().await.unwrap();
    tx.apply(&Unit::new(Actor::Server, vec![change]), now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn count(database: &Database, sql: &'static str) -> i64 {
    each!(Pool: &database.read, pool => sqlx::query_scalar(sql).fetch_one(pool).await).unwrap()
}

async fn terms(database: &Database) -> Vec<String> {
    let sql = "SELECT term FROM search_terms WHERE term NOT LIKE '%0%' ORDER BY term";
    each!(Pool: &database.read, pool => sqlx::query_scalar(sql).fetch_all(pool).await).unwrap()
}

fn query(text: &str) -> Query {
    Query::parse(text).unwrap()
}

#[tokio::test]
async fn deleted_room_is_gone_at_once_and_its_long_log_is_removed_in_batches_across_restarts() {
    for test_database in test_databases().await {
        let database = filled(&test_database, 1200).await;
        let file: MediaId = FILE.parse().unwrap();
        assert!(database.media(file).await.unwrap().is_some());
        assert_eq!(database.search(ann(), &query("heron"), None, None, 5).await.unwrap().0.len(), 5);
        apply(&database, Change::DeleteRoom { room: room() }).await;

        assert!(database.room(room()).await.unwrap().is_none() && database.is_deleted_room(room()).await.unwrap());
        assert!(
            database.room_named("den").await.unwrap().is_none() && database.room_coded("c").await.unwrap().is_none()
        );
        assert!(database.rooms_of(ann()).await.unwrap().is_empty() && database.unread(ann()).await.unwrap().is_empty());
        assert!(database.rooms(Some(ann()), None, "", 10).await.unwrap().is_empty());
        assert!(database.entries(room(), 0, u64::MAX, 10).await.unwrap().is_empty());
        assert!(database.search(ann(), &query("heron"), None, None, 5).await.unwrap().0.is_empty());
        assert!(database.media(file).await.unwrap().is_none());
        assert_eq!(count(&database, "SELECT COUNT(*) FROM entries").await, 1200);
        // The name is free again.
        let new = crate::protocol::NewRoom {
            id: RoomId::new(),
            code: "c".into(),
            name: "den".into(),
            visibility: crate::protocol::Visibility::Public,
            topic: String::new(),
            member_limit: None,
            owner: None,
            quota: crate::protocol::RoomQuota::Unlimited,
        };
        let id = new.id;
        apply(&database, Change::CreateRoom(new)).await;

        assert!(database.delete_some_of_rooms().await.unwrap());
        assert_eq!(count(&database, "SELECT COUNT(*) FROM entries").await, 700);
        database.close().await;
        let database = Database::open(&test_database.options(1)).await.unwrap();
        while database.delete_some_of_rooms().await.unwrap() {}
        for sql in [
            "SELECT COUNT(*) FROM entries",
            "SELECT COUNT(*) FROM search_index",
            "SELECT COUNT(*) FROM search_terms",
            "SELECT COUNT(*) FROM search_removed",
            "SELECT COUNT(*) FROM room_deletions",
            "SELECT COUNT(*) FROM rooms WHERE kind = 'session'",
            "SELECT COUNT(*) FROM media WHERE NOT orphaned",
        ] {
            assert_eq!(count(&database, sql).await, 0, "{sql}");
        }
        assert_eq!(count(&database, "SELECT COUNT(*) FROM deleted_rooms").await, 1);
        assert!(database.is_deleted_room(room()).await.unwrap() && database.room(id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn words_of_deleted_and_edited_messages_are_dropped_and_others_kept() {
    for test_database in test_databases().await {
        let database = filled(&test_database, 3).await;
        assert_eq!(terms(&database).await, ["1", "2", "3", "heron"]);
        apply(&database, Change::DeleteMessage { room: room(), seq: 1 }).await;
        apply(&database, Change::EditMessage { room: room(), seq: 2, body: "goose heron".into() }).await;
        assert_eq!(count(&database, "SELECT COUNT(*) FROM search_removed").await, 2);
        while database.forget_some_words().await.unwrap() {}
        assert_eq!(terms(&database).await, ["3", "goose", "heron"]);
        assert_eq!(count(&database, "SELECT COUNT(*) FROM search_removed").await, 0);
        apply(&database, Change::Prune { room: room(), up_to: 3, limit: 10 }).await;
        while database.forget_some_words().await.unwrap() {}
        assert!(terms(&database).await.is_empty());
    }
}

#[tokio::test]
async fn search_that_exceeds_its_time_limit_continues_on_the_next_page() {
    for test_database in test_databases().await {
        let database = filled(&test_database, 3).await;
        // Simulates a long log between the third and the last message.
        let far = 1_000_000;
        database.run(&format!("UPDATE rooms SET last_seq = 4 WHERE id = 1; INSERT INTO entries (id, room_id, seq, kind, at, author_id, body) \
            VALUES ({far}, 1, 4, 'message.posted', 4, 1, 'heron 4'); INSERT INTO search_pending (entry_id) SELECT {far} \
            WHERE NOT EXISTS (SELECT 1 FROM search_pending WHERE entry_id = {far})")).await;
        while database.index_some().await.unwrap() != super::super::Indexing::Done {}
        let (mut found, mut before, mut pages) = (Vec::new(), None, 0);
        loop {
            let (messages, next) =
                database.search_for(Duration::ZERO, ann(), &query("heron"), None, before, 10).await.unwrap();
            found.extend(messages.into_iter().map(|(_, message)| message.seq));
            pages += 1;
            if next.is_none() {
                break;
            }
            assert!(before.is_none_or(|before| next.is_some_and(|next| next < before)), "every page goes on");
            before = next;
        }
        assert_eq!(found, [4, 3, 2, 1]);
        assert!(pages > 2, "{pages}");
        let all = database.search(ann(), &query("heron"), None, None, 10).await.unwrap();
        assert_eq!((all.0.len(), all.1), (4, None), "in time, one page has them all");
    }
}

#[tokio::test]
async fn members_are_listed_page_by_page_including_those_added_by_an_older_node() {
    for test_database in test_databases().await {
        let database = filled(&test_database, 1).await;
        for i in 2..8 {
            database
                .run(&format!(
                    "INSERT INTO users (id, uid, username, username_key, password_hash, created_at, updated_at) \
                     VALUES ({i}, '00000000-0000-7000-8000-00000000000{i}', 'u{i}', 'u{i}', '', 0, 0); \
                     INSERT INTO members (room_id, user_id, role, joined_at) VALUES (1, {i}, 'member', 0)"
                ))
                .await;
        }
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let page = database.members(room(), after, 3).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.account.id);
            names.extend(page.iter().map(|member| member.account.name.to_string()));
        }
        assert_eq!(names, ["ann", "u2", "u3", "u4", "u5", "u6", "u7"]);
    }
}

#[tokio::test]
async fn text_of_a_deleted_message_is_overwritten_in_the_file() {
    let test_database = test_databases().await.swap_remove(0);
    let database = filled(&test_database, 3).await;
    for (seq, words) in [(1, 3), (2, 30_000)] {
        let body = format!("{} the heron knows", "quite so, ".repeat(words)).into();
        apply(&database, Change::EditMessage { room: room(), seq, body }).await;
    }
    for seq in [1, 2] {
        apply(&database, Change::DeleteMessage { room: room(), seq }).await;
    }
    while database.forget_some_words().await.unwrap() {}
    database.close().await;
    let file = std::fs::read(test_database.url.strip_prefix("sqlite:").unwrap()).unwrap();
    for text in [&b"quite so"[..], b"the heron knows"] {
        assert!(!file.windows(text.len()).any(|window| window == text));
    }
}
