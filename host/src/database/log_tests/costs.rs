//! Compares the cost of each operation on a small log and on one twenty times as long: it must be about the same. Measures
//! steps of SQLite's virtual machine and pages that PostgreSQL reads, which do not depend on the machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::super::entries::Tombstones;
use super::super::{Database, Pool};
use super::{TestDatabase, test_databases};
use crate::clock::Timestamp;
use crate::protocol::{Account, AccountId, Actor, Change, NewPost, Page, Post, Role, RoomId, Unit};
use crate::search::query::Query;

/// How much more the long log may cost: its trees are a level or two deeper.
const MAX_GROWTH_FACTOR: u64 = 3;
/// Steps or pages too few to compare. PostgreSQL's plans differ with the sample that its statistics took: a search for old messages
/// costs 400 to 1,600 pages on the long log.
const NEGLIGIBLE_COST: u64 = 1600;

/// Measured operations. `log_statements.rs` checks that each statement over the log is part of one of these.
pub(super) const OPERATIONS: [&str; 41] = [
    "add_member",
    "delete_message",
    "drop_unused_media",
    "edit_message",
    "entries at the beginning",
    "entries at the end",
    "has_message",
    "index_older",
    "index_pending",
    "last_seq",
    "mark_read",
    "message",
    "messages at the beginning",
    "messages at the end",
    "messages without those deleted",
    "overdue",
    "post",
    "post again",
    "prune",
    "react",
    "read_by",
    "room",
    "room_activity",
    "rooms",
    "search after",
    "search before",
    "search common elsewhere",
    "search common here",
    "search common long ago",
    "search for an author",
    "search for nothing that is there",
    "search for what is rare",
    "search in one room",
    "search phrase",
    "search prefix",
    "search two words",
    "seq_beyond",
    "seq_from_number",
    "sessions",
    "unread",
    "unread_in",
];

fn ann() -> AccountId {
    "00000000-0000-7000-8000-000000000001".parse().unwrap()
}

fn busy() -> RoomId {
    "00000000-0000-7000-8000-100000000001".parse().unwrap()
}

fn quiet() -> RoomId {
    "00000000-0000-7000-8000-100000000002".parse().unwrap()
}

/// Fills the database. Half of the log is in the busy room, a quarter of that reactions; a hundred other rooms have the
/// rest. Ann has read nothing in the busy room, and is a member of it and of a few others.
async fn fill(database: &Database, target: &TestDatabase, messages: u32) {
    let numbers =
        |most: u32| format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})");
    let pad = if target.is_sqlite() { "printf('%012d', i)" } else { "lpad(i::TEXT, 12, '0')" };
    let room = "CASE WHEN i % 2 = 0 THEN 1 ELSE 2 + (i / 2) % 100 END";
    let seq = "CASE WHEN i % 2 = 0 THEN i / 2 ELSE i / 200 + 1 END";
    let reacts = "i % 8 = 0";
    let mut statements = vec![
        format!(
            "INSERT INTO users (id, uid, username, username_key, password_hash, created_at, updated_at) {} \
             SELECT i, '00000000-0000-7000-8000-' || {pad}, 'u' || i, 'u' || i, '', 0, 0 FROM n", numbers(50)
        ),
        format!(
            "INSERT INTO rooms (id, uid, code, name, name_key, kind, visibility, last_seq, created_at) {} \
             SELECT i, '00000000-0000-7000-8000-1' || substr({pad}, 2), 'c' || i, 'r' || i, 'r' || i, \
             CASE WHEN i = 3 THEN 'session' ELSE 'room' END, 'public', \
             CASE WHEN i = 1 THEN {messages} / 2 ELSE {messages} / 200 END, 0 FROM n", numbers(101)
        ),
        format!(
            "INSERT INTO members (room_id, user_id, role, joined_at, read_seq) {} \
             SELECT i, 1, 'owner', 0, CASE WHEN i = 1 THEN 0 ELSE {messages} / 200 - 20 END FROM n WHERE i < 10", numbers(10)
        ),
        "INSERT INTO members (room_id, user_id, role, joined_at) VALUES (1, 2, 'member', 0)".to_owned(),
        format!(
            "INSERT INTO entries (id, room_id, seq, kind, at, author_id, body, target, data) {} SELECT i, {room}, {seq}, \
             CASE WHEN {reacts} THEN 'message.reacted' ELSE 'message.posted' END, i * 1000, 1 + i % 50, \
             CASE WHEN {reacts} THEN NULL ELSE 'common ' || i END, CASE WHEN {reacts} THEN 1 END, \
             CASE WHEN {reacts} THEN '{{\"kind\":\"message.reacted\",\"of\":1,\"emoji\":\"x\",\"on\":true}}' END FROM n",
            numbers(messages)
        ),
        "INSERT INTO search_terms (room_id, term) SELECT r.id, t.term FROM rooms r, (SELECT 'common' AS term UNION SELECT 'word' \
         UNION SELECT 'even' UNION SELECT 'ancient' UNION SELECT 'wordy') t".to_owned(),
        "INSERT INTO search_terms (room_id, term) SELECT id, 'elsewhere' FROM rooms WHERE id > 50".to_owned(),
        "INSERT INTO search_terms (room_id, term) VALUES (1, 'rare')".to_owned(),
        format!("UPDATE search_progress SET version = {}", crate::search::tokens::VERSION),
    ];
    // As the tokeniser would have it: `common` and `word` everywhere, `even` in every other message, `ancient` in the first
    // half, `rare` in two.
    let old = messages / 2;
    statements.push(if target.is_sqlite() {
        format!(
            "INSERT INTO search_index (rowid, tokens) SELECT e.id, t.r || '@' || e.author_id || ' / ' || t.r || 'common ' || t.r || 'word' \
             || CASE WHEN e.id % 4 < 2 THEN ' ' || t.r || 'even' ELSE '' END \
             || CASE WHEN e.id < {old} THEN ' ' || t.r || 'ancient' ELSE '' END \
             || CASE WHEN e.room_id > 50 THEN ' ' || t.r || 'elsewhere' ELSE '' END \
             || CASE WHEN e.id IN (2, {old} + 2) THEN ' ' || t.r || 'rare' ELSE '' END \
             FROM entries e, (SELECT id, id || '/' AS r FROM rooms) t WHERE t.id = e.room_id AND e.body IS NOT NULL ORDER BY e.id"
        )
    } else {
        format!(
            "INSERT INTO search_index (entry_id, words) SELECT id, ('''' || room_id || '/@' || author_id || ''' ''' \
             || room_id || '/common'':1 ''' || room_id || '/word'':2' \
             || CASE WHEN id % 4 < 2 THEN ' ''' || room_id || '/even'':3' ELSE '' END \
             || CASE WHEN id < {old} THEN ' ''' || room_id || '/ancient'':4' ELSE '' END \
             || CASE WHEN room_id > 50 THEN ' ''' || room_id || '/elsewhere'':5' ELSE '' END \
             || CASE WHEN id IN (2, {old} + 2) THEN ' ''' || room_id || '/rare'':6' ELSE '' END \
             || ' ''/0/' || (id >> 12) || ''' ''/1/' || (id >> 16) || ''' ''/2/' || (id >> 20) || ''' ''/3/' || (id >> 24) \
             || ''' ''/4/' || (id >> 28) || '''')::tsvector FROM entries WHERE body IS NOT NULL"
        )
    });
    if !target.is_sqlite() {
        statements.insert(0, "DROP INDEX entries_words".into());
        statements.push("SELECT setval(pg_get_serial_sequence('entries', 'id'), (SELECT MAX(id) FROM entries))".into());
        statements.push("VACUUM ANALYZE".into());
    }
    for sql in statements {
        database.run(&sql).await;
    }
}

/// Counts the work that the database does for an operation.
struct Meter {
    database: Database,
    steps: Arc<AtomicU64>,
}

impl Meter {
    async fn new(database: Database) -> Self {
        let steps = Arc::new(AtomicU64::new(0));
        for pool in [&database.read, &database.write] {
            if let Pool::Sqlite(pool) = pool {
                let counted = steps.clone();
                let mut connection = pool.acquire().await.unwrap();
                connection.lock_handle().await.unwrap().set_progress_handler(1, move || {
                    counted.fetch_add(1, Ordering::Relaxed);
                    true
                });
            }
        }
        Self { database, steps }
    }

    /// Pages looked at so far, by the one connection that is open.
    async fn count(&self) -> u64 {
        let Pool::Postgres(pool) = &self.database.read else { return self.steps.load(Ordering::Relaxed) };
        sqlx::query("SELECT pg_stat_force_next_flush()").execute(pool).await.unwrap();
        let pages = "SELECT pg_stat_get_db_blocks_fetched(oid) FROM pg_database WHERE datname = current_database()";
        sqlx::query_scalar::<_, i64>(pages).fetch_one(pool).await.unwrap().unsigned_abs()
    }

    /// The median cost and time of three runs of an operation.
    async fn cost(&self, operation: &str, messages: u32) -> (u64, Duration) {
        let (mut costs, mut times) = ([0; 3], [Duration::ZERO; 3]);
        for (cost, time) in costs.iter_mut().zip(&mut times) {
            self.prepare(operation).await;
            let before = self.count().await;
            let began = Instant::now();
            self.run(operation, messages).await;
            *time = began.elapsed();
            *cost = self.count().await - before;
        }
        // PostgreSQL may count one run with the next.
        costs.sort_unstable();
        times.sort_unstable();
        (costs[1], times[1])
    }

    async fn prepare(&self, operation: &str) {
        if operation == "index_pending" {
            self.database.run("INSERT INTO search_pending (entry_id) VALUES (5), (7)").await;
        }
        if operation == "index_older" {
            self.database.run("UPDATE search_progress SET next_id = 900").await;
        }
        if operation == "add_member" {
            self.database.run("DELETE FROM members WHERE user_id = 3").await;
        }
    }

    async fn search(&self, query: &str, found: usize) {
        let query = Query::parse(query).unwrap();
        let (messages, _) = self.database.search(ann(), &query, None, None, 20).await.unwrap();
        assert_eq!(messages.len(), found, "{query:?}");
    }

    async fn change(&self, change: Change) {
        let number = 1;
        let account = Account { id: ann(), number, name: "u1".into(), is_admin: false };
        let mut tx = self.database.begin().await.unwrap();
        tx.apply(&Unit::new(Actor::Account(account), vec![change]), Timestamp(1)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn post(&self, key: Option<&str>) {
        let account = Account { id: ann(), number: 1, name: "u1".into(), is_admin: false };
        let post =
            Post { body: "common heron".into(), key: key.map(Into::into), reply_to: None, attachments: Arc::default() };
        let new = NewPost { room: busy(), by: Actor::Account(account), from: None, on_behalf_of: None, post };
        let mut tx = self.database.begin().await.unwrap();
        tx.add_posts(&[new], Timestamp(4_000_000_000_000)).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn run(&self, operation: &str, messages: u32) {
        // Messages of the busy room that nobody has changed yet, one a run.
        static NEXT: AtomicI32 = AtomicI32::new(201);
        let fresh = || u64::try_from(NEXT.fetch_add(2, Ordering::Relaxed)).unwrap();
        let db = &self.database;
        let last = u64::from(messages / 2);
        let page = |page, tombstones| db.messages(busy(), page, 50, tombstones);
        match operation {
            "add_member" => {
                let account = "00000000-0000-7000-8000-000000000003".parse().unwrap();
                self.change(Change::AddMember { room: busy(), account, role: Role::Member }).await;
            }
            "delete_message" => self.change(Change::DeleteMessage { room: busy(), seq: fresh() }).await,
            "drop_unused_media" => drop(db.drop_unused_media(Timestamp(1), 10).await.unwrap()),
            "edit_message" => {
                self.change(Change::EditMessage { room: busy(), seq: fresh(), body: "common".into() }).await;
            }
            "entries at the beginning" => drop(db.entries(busy(), 0, last, 100).await.unwrap()),
            "entries at the end" => drop(db.entries(busy(), last - 100, u64::MAX, 100).await.unwrap()),
            "has_message" => assert!(db.has_message(busy(), 1).await.unwrap()),
            "index_older" | "index_pending" => drop(db.index_some().await.unwrap()),
            "last_seq" => assert!(db.last_seq(busy()).await.unwrap() >= last),
            "mark_read" => self.change(Change::MarkRead { room: quiet(), seq: fresh() }).await,
            "message" => assert!(db.message(busy(), 1).await.unwrap().is_some()),
            "messages at the beginning" => {
                assert_eq!(page(Page::After(0), Tombstones::Shown).await.unwrap().0.len(), 50);
            }
            "messages at the end" => {
                assert_eq!(page(Page::Before(None), Tombstones::Shown).await.unwrap().0.len(), 50);
            }
            "messages without those deleted" => {
                assert_eq!(page(Page::Before(Some(last)), Tombstones::LeftOut).await.unwrap().0.len(), 50);
            }
            "overdue" => drop(db.overdue(busy(), Timestamp(0), 0, 500).await.unwrap()),
            "post" => self.post(None).await,
            "post again" => self.post(Some("key")).await,
            "prune" => self.change(Change::Prune { room: quiet(), up_to: 10, limit: 3 }).await,
            "react" => {
                self.change(Change::React { room: busy(), seq: fresh(), emoji: "👍".into(), on: true }).await;
            }
            "read_by" => drop(db.read_by(busy(), ann()).await.unwrap()),
            "room" => assert!(db.room(busy()).await.unwrap().is_some()),
            "room_activity" => drop(db.room_activity(None, 0, 50).await.unwrap()),
            "rooms" => drop(db.rooms(Some(ann()), None, "", 50).await.unwrap()),
            "search after" => {
                self.search(&format!("common after:{}", Timestamp(i64::from(messages - 100) * 1000)), 20).await
            }
            "search before" => self.search(&format!("common before:{}", Timestamp(1_000_000)), 20).await,
            "search common elsewhere" => self.search("elsewhere", 0).await,
            "search common here" => self.search("common", 20).await,
            "search common long ago" => self.search("ancient", 20).await,
            "search for an author" => self.search("from:u13", 20).await,
            "search for nothing that is there" => self.search("absent", 0).await,
            "search for what is rare" => self.search("rare", 2).await,
            "search in one room" => self.search("common in:r1", 20).await,
            "search phrase" => self.search("\"common word\"", 20).await,
            "search prefix" => self.search("wor*", 20).await,
            "search two words" => self.search("common rare", 2).await,
            "seq_beyond" => assert!(db.seq_beyond(busy(), 100).await.unwrap() > 0),
            "seq_from_number" => assert_eq!(db.seq_from_number(busy(), 7).await.unwrap(), Some(4)),
            "sessions" => assert_eq!(db.sessions(ann(), None, 10).await.unwrap().len(), 1),
            "unread" => assert_eq!(db.unread(ann()).await.unwrap().len(), 9),
            "unread_in" => assert!(db.unread_in(busy(), ann(), 200).await.unwrap().1 > 200),
            other => panic!("{other} is not measured"),
        }
    }
}

/// The costs of all operations over a log of this length.
async fn costs(target: &TestDatabase, messages: u32) -> Vec<(u64, Duration)> {
    let database = Database::open(&target.options(1)).await.unwrap();
    // As few connections as there can be, so that each one's work is counted.
    let database = match target.is_sqlite() {
        true => Database { urgent: database.read.clone(), ..database },
        false => Database { read: database.write.clone(), urgent: database.write.clone(), ..database },
    };
    fill(&database, target, messages).await;
    let meter = Meter::new(database).await;
    let mut costs = Vec::new();
    for operation in OPERATIONS {
        costs.push(meter.cost(operation, messages).await);
    }
    meter.database.close().await;
    costs
}

#[expect(clippy::print_stdout, reason = "the long form is run for its figures")]
async fn compare(small: u32, large: u32) {
    for (of_small, of_large) in test_databases().await.iter().zip(&test_databases().await) {
        let (few, many) = (costs(of_small, small).await, costs(of_large, large).await);
        let mut grown = Vec::new();
        for ((operation, few), many) in OPERATIONS.iter().zip(few).zip(many) {
            let engine = of_small.url.split(':').next().unwrap_or_default();
            println!("{engine:10} {operation:34} {:>9} {:>9} {:>12.2?} {:>12.2?}", few.0, many.0, few.1, many.1);
            if many.0 > few.0 * MAX_GROWTH_FACTOR + NEGLIGIBLE_COST {
                grown.push(*operation);
            }
        }
        assert!(grown.is_empty(), "on {} the cost grows with the log: {grown:?}", of_small.url);
    }
}

#[tokio::test]
async fn no_operation_costs_more_on_a_log_that_is_twenty_times_as_long() {
    compare(10_000, 200_000).await;
}

/// `cargo test --workspace --lib -- --ignored --nocapture a_million_messages` with `NATTERJACK_TEST_POSTGRES` set for PostgreSQL.
#[tokio::test]
#[ignore = "takes minutes"]
async fn no_operation_costs_more_on_a_million_messages() {
    compare(10_000, 1_000_000).await;
}
