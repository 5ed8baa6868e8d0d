use super::*;
use crate::clock::now;
use crate::database::Options;
use crate::protocol::{AccountId, Actor, Change, NewRoom, RoomQuota, Unit, Visibility};

async fn database(folder: &tempfile::TempDir) -> Database {
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    Database::open(&Options { url, full_sync: false, readers: 1 }).await.unwrap()
}

async fn apply(database: &Database, changes: Vec<Change>) {
    let mut tx = database.begin().await.unwrap();
    tx.apply(&Unit::new(Actor::Server, changes), now()).await.unwrap();
    tx.commit().await.unwrap();
}

async fn deleted_room(database: &Database, name: &str) -> RoomId {
    let id = RoomId::new();
    let room = NewRoom {
        id,
        code: name.to_owned(),
        name: name.to_owned(),
        visibility: Visibility::Public,
        topic: String::new(),
        member_limit: None,
        owner: None,
        quota: RoomQuota::Unlimited,
    };
    apply(database, vec![Change::CreateRoom(room)]).await;
    assert!(!database.is_deleted_room(id).await.unwrap());
    apply(database, vec![Change::DeleteRoom { room: id }]).await;
    id
}

async fn open_session(database: &Database, id: RoomId, owner: AccountId) -> bool {
    apply(database, vec![Change::OpenSession { id, name: "New session".into(), owner, quota: RoomQuota::Unlimited }])
        .await;
    database.room(id).await.unwrap().is_some()
}

async fn account(database: &Database) -> AccountId {
    let new = crate::database::NewUser { username: "ann", email: None, password_hash: "x", handle: None };
    database.add_user(&new, now()).await.unwrap().uid
}

#[tokio::test]
async fn deleted_rooms_uid_is_refused_to_sessions_even_after_its_tombstone_was_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    let ann = account(&database).await;
    let mut gone = Vec::new();
    for n in 0..4 {
        gone.push(deleted_room(&database, &format!("room-{n}")).await);
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    assert!(!open_session(&database, gone[0], ann).await);
    assert!(database.prune_deleted_rooms(1, 100).await.unwrap() > 0);
    for id in &gone {
        assert!(database.is_deleted_room(*id).await.unwrap(), "{id}");
        assert!(!open_session(&database, *id, ann).await, "{id}");
    }
    // Ids that clients make up are accepted, also UUIDv7s.
    for fresh in [RoomId(uuid::Uuid::new_v4()), RoomId::new()] {
        assert!(!database.is_deleted_room(fresh).await.unwrap());
        assert!(open_session(&database, fresh, ann).await);
    }
}

#[tokio::test]
async fn name_of_a_deleted_room_is_reported_as_freed() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder).await;
    assert!(!database.is_freed_room_name("Pond").await.unwrap());
    deleted_room(&database, "pond").await;
    assert!(database.is_freed_room_name("Pond").await.unwrap());
}
