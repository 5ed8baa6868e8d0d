use super::*;

async fn put(database: &Database, key: &str, bytes: usize) {
    let mut tx = database.begin().await.unwrap();
    tx.put_value("test", key, &vec![7; bytes]).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn sqlite_wal_is_truncated_after_a_large_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.db");
    let options = Options { url: format!("sqlite:{}", file.display()), full_sync: false, readers: 1 };
    let database = Database::open_for_server(&options, Claim::Exclusive).await.unwrap();
    let log = || folder.path().join("large.db-wal").metadata().unwrap().len();
    put(&database, "large", 24 << 20).await;
    assert!(log() > 24 << 20, "{}", log());
    // The next transactions restart the log from its beginning.
    for key in ["a", "b"] {
        put(&database, key, 10).await;
    }
    assert!(log() <= 16 << 20, "{}", log());
}

#[tokio::test]
async fn database_in_memory_needs_no_lock_and_leaves_no_file() {
    let options = Options { url: "sqlite::memory:".to_owned(), full_sync: false, readers: 1 };
    let (_one, _other) = (
        Database::open_for_server(&options, Claim::Exclusive).await,
        Database::open_for_server(&options, Claim::Exclusive).await,
    );
    let left =
        std::fs::read_dir(".").unwrap().flatten().any(|entry| entry.file_name().to_string_lossy().contains("memory"));
    assert!(!left);
}

#[tokio::test]
async fn test_row_is_written_only_without_recent_commits() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("test.db").display());
    let database = Database::open(&Options { url, full_sync: false, readers: 1 }).await.unwrap();
    let rows = async || {
        let Pool::Sqlite(pool) = &database.read else { panic!("it is SQLite") };
        sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM write_test").fetch_one(pool).await.unwrap()
    };
    database.note_commit(&Ok(()));
    database.check_writes().await.unwrap();
    assert_eq!(rows().await, 0, "a recent commit makes a test write unnecessary");
    database.note_commit(&Result::<(), Error>::Err(Error::Unavailable("full".into())));
    database.check_writes().await.unwrap_err();
    database.note_commit(&Ok(()));
    database.check_writes().await.unwrap();
    let idle = Database { health: Arc::default(), ..database.clone() };
    idle.check_writes().await.unwrap();
    assert_eq!(rows().await, 1);
}
