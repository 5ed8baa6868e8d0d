//! Uploaded files: their bytes in parts, so that neither storing nor reading one takes long at a time.

use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{AccountId, MediaFile, MediaId};

/// A file that is being stored.
#[derive(Clone, Copy, Debug)]
pub struct Upload {
    number: i64,
    pub id: MediaId,
}

#[derive(sqlx::FromRow)]
struct MediaRow {
    id: i64,
    uid: MediaId,
    name: String,
    #[sqlx(rename = "type")]
    media_type: String,
    size: i64,
}

impl MediaRow {
    fn file(self) -> MediaFile {
        let size = self.size.unsigned_abs();
        MediaFile { id: self.uid, name: self.name, media_type: self.media_type, size }
    }
}

impl Database {
    /// Begins to store a file. What it takes of the account's share is counted from the start.
    pub async fn begin_upload(&self, by: AccountId, name: &str, share: u64, at: Timestamp) -> Result<Upload> {
        let id = MediaId::new();
        let mut tx = self.begin().await?;
        let (user, used): (i64, i64) = each!(Tx: &mut tx, tx => sqlx::query_as(
            "SELECT u.id, CAST(COALESCE((SELECT SUM(size) FROM media WHERE user_id = u.id), 0) AS BIGINT) \
             FROM users u WHERE u.uid = $1",
        )
        .bind(by)
        .fetch_optional(&mut **tx)
        .await)?
        .ok_or_else(|| Error::not_found("account"))?;
        if used.unsigned_abs() >= share {
            return Err(Error::TooLarge { what: "what this account has uploaded", limit: format!("{share} bytes") });
        }
        let number: i64 = each!(Tx: &mut tx, tx => sqlx::query_scalar(
            "INSERT INTO media (uid, user_id, name, type, size, created_at) VALUES ($1, $2, $3, '', 0, $4) RETURNING id",
        )
        .bind(id)
        .bind(user)
        .bind(name)
        .bind(at)
        .fetch_one(&mut **tx)
        .await)?;
        tx.commit().await?;
        Ok(Upload { number, id })
    }

    pub async fn add_part(&self, upload: Upload, part: u32, bytes: &[u8]) -> Result<()> {
        let mut tx = self.begin().await?;
        each!(Tx: &mut tx, tx => sqlx::query("INSERT INTO media_parts (media_id, part, bytes) VALUES ($1, $2, $3)")
            .bind(upload.number)
            .bind(i64::from(part))
            .bind(bytes)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        each!(Tx: &mut tx, tx => sqlx::query("UPDATE media SET size = size + $1 WHERE id = $2")
            .bind(i64::try_from(bytes.len()).unwrap_or(i64::MAX))
            .bind(upload.number)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        tx.commit().await
    }

    /// From now on the file can be fetched.
    pub async fn finish_upload(&self, upload: Upload, media_type: &str) -> Result<MediaFile> {
        let row: MediaRow = each!(Pool: &self.write, pool => sqlx::query_as(
            "UPDATE media SET type = $1, complete = TRUE WHERE id = $2 RETURNING id, uid, name, type, size",
        )
        .bind(media_type)
        .bind(upload.number)
        .fetch_one(pool)
        .await)?;
        Ok(row.file())
    }

    pub async fn drop_upload(&self, upload: Upload) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query("DELETE FROM media WHERE id = $1")
            .bind(upload.number)
            .execute(pool)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// A file that is whole, with the number under which its parts are read.
    pub async fn media(&self, id: MediaId) -> Result<Option<(i64, MediaFile)>> {
        let row: Option<MediaRow> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT id, uid, name, type, size FROM media WHERE uid = $1 AND complete",
        )
        .bind(id)
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(|row| (row.id, row.file())))
    }

    pub async fn media_part(&self, number: i64, part: u32) -> Result<Option<Vec<u8>>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT bytes FROM media_parts WHERE media_id = $1 AND part = $2",
        )
        .bind(number)
        .bind(i64::from(part))
        .fetch_optional(pool)
        .await)?)
    }

    /// A file that this account uploaded, as a message may carry it.
    pub async fn attachable(&self, id: MediaId, by: AccountId) -> Result<Option<MediaFile>> {
        let row: Option<MediaRow> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT m.id, m.uid, m.name, m.type, m.size FROM media m JOIN users u ON u.id = m.user_id \
             WHERE m.uid = $1 AND u.uid = $2 AND m.complete",
        )
        .bind(id)
        .bind(by)
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(MediaRow::file))
    }

    /// Takes away a few of the files that were uploaded before `before` and that no message carries; says how many.
    pub async fn drop_unused_media(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let dropped = each!(Pool: &self.write, pool => sqlx::query(
            "DELETE FROM media WHERE id IN (SELECT m.id FROM media m WHERE m.created_at < $1 \
             AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.media_id = m.id) LIMIT $2)",
        )
        .bind(before)
        .bind(i64::from(limit))
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(dropped)
    }
}
