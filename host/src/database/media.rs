//! Uploaded files, stored in parts so that no single read or write takes long.

use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::protocol::{AccountId, MediaFile, MediaId};

/// How much one account may store.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub bytes: u64,
    pub files: u32,
}

impl Share {
    fn used_up(self) -> Error {
        Error::TooLarge { what: "the total of this account's uploads", limit: format!("{} bytes", self.bytes) }
    }
}

/// A file that is being stored.
#[derive(Clone, Copy, Debug)]
pub struct Upload {
    number: i64,
    /// The account's number.
    user: i64,
    pub id: MediaId,
    share: Share,
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
    /// Begins an upload. Its bytes count towards the account's share from the start.
    pub async fn begin_upload(&self, by: AccountId, name: &str, share: Share, at: Timestamp) -> Result<Upload> {
        let id = MediaId::new();
        let mut tx = self.begin().await?;
        let (user, used, files): (i64, i64, i64) = each!(Tx: &mut tx, tx => sqlx::query_as(
            "SELECT u.id, CAST(COALESCE((SELECT SUM(size) FROM media WHERE user_id = u.id), 0) AS BIGINT), \
             (SELECT COUNT(*) FROM media WHERE user_id = u.id) FROM users u WHERE u.uid = $1",
        )
        .bind(by)
        .fetch_optional(&mut **tx)
        .await)?
        .ok_or_else(|| Error::not_found("account"))?;
        if used.unsigned_abs() >= share.bytes {
            return Err(share.used_up());
        }
        if files >= i64::from(share.files) {
            let limit = format!("{} files", share.files);
            return Err(Error::TooLarge { what: "the total of this account's uploads", limit });
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
        Ok(Upload { number, user, id, share })
    }

    /// Stores one part, if the account's files, including other uploads in progress, stay within its share.
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
        let used: i64 = each!(Tx: &mut tx, tx => sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM media WHERE user_id = $1",
        )
        .bind(upload.user)
        .fetch_one(&mut **tx)
        .await)?;
        if used.unsigned_abs() > upload.share.bytes {
            return Err(upload.share.used_up());
        }
        tx.commit().await
    }

    /// Completes an upload, so that the file can be fetched. Checks the account's share once more, since other parts may have been
    /// stored meanwhile.
    pub async fn finish_upload(&self, upload: Upload, media_type: &str) -> Result<MediaFile> {
        let row: Option<MediaRow> = each!(Pool: &self.write, pool => sqlx::query_as(
            "UPDATE media SET type = $1, complete = TRUE WHERE id = $2 \
             AND (SELECT COALESCE(SUM(m.size), 0) FROM media m WHERE m.user_id = $3) <= $4 \
             RETURNING id, uid, name, type, size",
        )
        .bind(media_type)
        .bind(upload.number)
        .bind(upload.user)
        .bind(i64::try_from(upload.share.bytes).unwrap_or(i64::MAX))
        .fetch_optional(pool)
        .await)?;
        Ok(row.ok_or_else(|| upload.share.used_up())?.file())
    }

    pub async fn drop_upload(&self, upload: Upload) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query("DELETE FROM media WHERE id = $1")
            .bind(upload.number)
            .execute(pool)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// A complete file, unless it is orphaned, with the number under which its parts are read.
    pub async fn media(&self, id: MediaId) -> Result<Option<(i64, MediaFile)>> {
        let row: Option<MediaRow> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT m.id, m.uid, m.name, m.type, m.size FROM media m WHERE m.uid = $1 AND m.complete AND NOT m.orphaned \
             AND (NOT m.attached OR EXISTS (SELECT 1 FROM attachments a WHERE a.media_id = m.id \
                  AND NOT EXISTS (SELECT 1 FROM room_deletions d WHERE d.room_id = a.room_id)))",
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

    /// A complete file that this account uploaded and may attach to a message.
    pub async fn attachable(&self, id: MediaId, by: AccountId) -> Result<Option<MediaFile>> {
        let row: Option<MediaRow> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT m.id, m.uid, m.name, m.type, m.size FROM media m JOIN users u ON u.id = m.user_id \
             WHERE m.uid = $1 AND u.uid = $2 AND m.complete AND NOT m.orphaned",
        )
        .bind(id)
        .bind(by)
        .fetch_optional(pool)
        .await)?;
        Ok(row.map(MediaRow::file))
    }

    /// Deletes up to `limit` files that no message carries: those that one once carried, and others uploaded before `before`.
    /// Returns how many.
    pub async fn drop_unused_media(&self, before: Timestamp, limit: u32) -> Result<u64> {
        let dropped = each!(Pool: &self.write, pool => sqlx::query(
            "DELETE FROM media WHERE id IN (SELECT m.id FROM media m \
             WHERE m.orphaned OR (NOT m.attached AND m.created_at < $1) LIMIT $2) AND (orphaned OR NOT attached)",
        )
        .bind(before)
        .bind(i64::from(limit))
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(dropped)
    }
}
