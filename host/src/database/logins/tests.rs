use std::time::Duration;

use super::*;
use crate::clock::now;
use crate::database::{NewUser, Options};

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn database(folder: &tempfile::TempDir, readers: u32) -> Database {
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    Database::open(&Options { url, full_sync: false, readers }).await.unwrap()
}

async fn user(database: &Database, username: &str) -> User {
    let new = NewUser { username, email: None, password_hash: "x", handle: None };
    database.add_user(&new, now()).await.unwrap()
}

async fn login(database: &Database, user: &User, expires: Timestamp) -> LoginId {
    let login = LoginId::new();
    database.add_login(login, user, &login.to_string(), now(), expires).await.unwrap();
    login
}

#[tokio::test]
async fn ended_logins_are_removed_and_reported_as_ended() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder, 1).await;
    let ann = user(&database, "ann").await;
    let (good, expired) = (login(&database, &ann, now() + HOUR).await, login(&database, &ann, now() - HOUR).await);
    let revoked = login(&database, &ann, now() + HOUR).await;
    database.revoke_login(revoked, now() - HOUR).await.unwrap();
    let mut many = Vec::new();
    for _ in 0..2 * MAX_LOGINS_PER_REMOVAL {
        many.push(login(&database, &ann, now() - HOUR).await);
    }
    let external = database.add_external_user("shop", "42", now()).await.unwrap();
    let membership = login(&database, &external, now() - HOUR).await;

    let mut batches = 1;
    while database.remove_ended_logins(now() - HOUR / 2, now() - HOUR / 2).await.unwrap() {
        batches += 1;
    }
    assert!(batches >= 2, "{batches}");
    for (login, there) in [(good, true), (membership, true), (expired, false), (revoked, false), (many[0], false)] {
        assert_eq!(database.login(login).await.unwrap().is_some(), there);
    }
    let ended = database.ended_logins(&[good, expired, revoked]).await.unwrap();
    assert_eq!(ended, [(expired, false), (revoked, false)]);
}

#[tokio::test]
async fn slow_reads_do_not_delay_log_ins_and_posts() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(&folder, 2).await;
    let ann = user(&database, "ann").await;
    let ann_login = login(&database, &ann, now() + HOUR).await;
    let Pool::Sqlite(read) = &database.read else { unreachable!("it is SQLite") };
    let _slow = (read.acquire().await.unwrap(), read.acquire().await.unwrap());
    assert!(read.try_acquire().is_none());
    // None of these waits for a reader: that would exceed the acquire timeout.
    assert!(database.user_by_login("ann").await.unwrap().is_some());
    assert!(database.login(ann_login).await.unwrap().is_some());
    assert!(database.account_named("ann").await.unwrap().is_some());
    assert!(database.room_named("lobby").await.unwrap().is_none());
    assert!(database.ping().await.is_ok());
}
