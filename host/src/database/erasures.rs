//! Removes the names of deleted accounts from stored data and, with `erase`, what they wrote. Works in batches whose completion
//! is recorded, so that a crash loses no progress.

use std::collections::HashMap;

use serde_json::Value;

use super::entries::POSTED;
use super::rooms::escape_like;
use super::rows::damaged;
use super::{Database, Tx, each};
use crate::error::Result;
use crate::name::DELETED;
use crate::protocol::{AccountId, RoomId};

/// Entries that one batch scans.
const ENTRIES_PER_BATCH: i64 = 5000;
/// The most accounts that are erased in one pass over the log.
const MAX_ACCOUNTS_PER_PASS: i64 = 500;
/// The new name of deleted accounts' files.
const ERASED_FILE_NAME: &str = "file";

/// A deleted account whose erasure is not complete.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Erasure {
    pub user_id: i64,
    pub uid: AccountId,
    name: Option<String>,
    email: Option<String>,
    handle: Option<String>,
    /// Whether its messages and files are deleted too.
    pub erase: bool,
    /// The log was scanned up to this entry.
    pub done_id: i64,
}

/// The result of one batch.
#[derive(Debug, Default)]
pub struct ErasureBatch {
    /// Messages to delete.
    pub messages: Vec<(RoomId, u64)>,
    /// Id of the batch's last entry.
    pub end: i64,
    /// No entries follow.
    pub last: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    room: RoomId,
    seq: i64,
    kind: String,
    author_id: Option<i64>,
    caller_id: Option<i64>,
    caller_name: Option<String>,
    body: Option<String>,
    deleted_at: Option<i64>,
    data: Option<String>,
    attachments: Option<String>,
}

impl Database {
    /// The accounts whose erasure is furthest along. They share a pass over the log; accounts deleted meanwhile follow in
    /// the next one.
    pub async fn erasures(&self) -> Result<Vec<Erasure>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT e.user_id, u.uid, e.name, e.email, e.handle, e.erase, e.done_id FROM account_erasures e \
             JOIN users u ON u.id = e.user_id WHERE e.done_id = (SELECT MAX(done_id) FROM account_erasures) \
             ORDER BY e.user_id LIMIT $1",
        )
        .bind(MAX_ACCOUNTS_PER_PASS)
        .fetch_all(pool)
        .await)?)
    }

    /// Scans the next entries: removes the accounts' names from them, and returns the messages that have to be deleted.
    pub async fn erase_batch(&self, accounts: &[Erasure]) -> Result<ErasureBatch> {
        let after = accounts.first().map_or(0, |first| first.done_id);
        let (end, count): (Option<i64>, i64) = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT MAX(id), COUNT(*) FROM (SELECT id FROM entries WHERE id > $1 ORDER BY id LIMIT $2) AS batch",
        )
        .bind(after)
        .bind(ENTRIES_PER_BATCH)
        .fetch_one(pool)
        .await)?;
        let mut batch =
            ErasureBatch { end: end.unwrap_or(after), last: count < ENTRIES_PER_BATCH, ..ErasureBatch::default() };
        let rows: Vec<Row> = each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT e.id, r.uid AS room, e.seq, e.kind, e.author_id, e.caller_id, e.caller_name, e.deleted_at, e.data, \
             CASE WHEN e.caller_id IS NOT NULL THEN e.body END AS body, e.attachments \
             FROM entries e JOIN rooms r ON r.id = e.room_id WHERE e.id > $1 AND e.id <= $2 \
             AND (e.kind IN ('member.added', 'member.removed', 'member.role', 'room.invited') \
                  OR (e.kind = $3 AND (e.author_id IN (SELECT a.user_id FROM account_erasures a) \
                                       OR e.caller_id IN (SELECT a.user_id FROM account_erasures a))))",
        )
        .bind(after)
        .bind(batch.end)
        .bind(POSTED)
        .fetch_all(pool)
        .await)?;
        let by_number: HashMap<i64, &Erasure> = accounts.iter().map(|account| (account.user_id, account)).collect();
        let by_uid: HashMap<String, &Erasure> =
            accounts.iter().map(|account| (account.uid.to_string(), account)).collect();
        let mut changes: Vec<(&str, String, i64)> = Vec::new();
        let mut reworded: Vec<i64> = Vec::new();
        for row in rows {
            if row.kind != POSTED {
                if let Some(data) = without_name(row.data.as_deref().unwrap_or_default(), &by_uid)? {
                    changes.push(("UPDATE entries SET data = $1 WHERE id = $2", data, row.id));
                }
                continue;
            }
            let written_by = |account: Option<i64>| account.and_then(|account| by_number.get(&account));
            let caller = written_by(row.caller_id);
            let Some(account) = written_by(row.author_id).or(caller) else { continue };
            if caller.is_some() && row.caller_name.is_some() {
                changes.push(("UPDATE entries SET caller_name = $1 WHERE id = $2", DELETED.into(), row.id));
            }
            if account.erase && row.deleted_at.is_none() {
                batch.messages.push((row.room, row.seq.unsigned_abs()));
            } else if caller.is_some() {
                // A plugin's post for the account contains the account's name at that time.
                if let (Some(body), Some(name)) = (&row.body, &row.caller_name)
                    && let Some(body) = without_caller(body, name)
                {
                    changes.push(("UPDATE entries SET body = $1 WHERE id = $2", body, row.id));
                    reworded.push(row.id);
                }
            } else if let Some(attachments) = row.attachments.as_deref().map(without_file_names).transpose()?.flatten()
            {
                changes.push(("UPDATE entries SET attachments = $1 WHERE id = $2", attachments, row.id));
            }
        }
        if !changes.is_empty() {
            let mut tx = self.begin().await?;
            for (sql, json, id) in changes {
                each!(Tx: &mut tx, tx => sqlx::query(sql).bind(json).bind(id).execute(&mut **tx).await.map(|_| ()))?;
            }
            tx.reindex(&reworded).await?;
            tx.commit().await?;
        }
        Ok(batch)
    }

    /// Records that the log was scanned up to this entry for these accounts.
    pub async fn erased_up_to(&self, accounts: &[Erasure], end: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        for account in accounts {
            each!(Tx: &mut tx, tx => sqlx::query(
                "UPDATE account_erasures SET done_id = $1 WHERE user_id = $2 AND done_id < $1",
            )
            .bind(end)
            .bind(account.user_id)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        }
        tx.commit().await
    }

    /// Up to 100 of the sessions that the account made.
    pub async fn sessions_made_by(&self, account: &Erasure) -> Result<Vec<RoomId>> {
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT uid FROM rooms WHERE created_by = $1 AND kind = 'session' LIMIT 100",
        )
        .bind(account.user_id)
        .fetch_all(pool)
        .await)?)
    }

    /// Deletes a few of the account's files if `erase` is set, otherwise replaces their names; returns how many.
    pub async fn erase_files(&self, account: &Erasure) -> Result<u64> {
        if account.erase {
            return Ok(each!(Pool: &self.write, pool => sqlx::query(
                "DELETE FROM media WHERE id IN (SELECT id FROM media WHERE user_id = $1 LIMIT 10)",
            )
            .bind(account.user_id)
            .execute(pool)
            .await
            .map(|done| done.rows_affected()))?);
        }
        Ok(each!(Pool: &self.write, pool => sqlx::query(
            "UPDATE media SET name = $2 WHERE id IN (SELECT id FROM media WHERE user_id = $1 AND name <> $2 LIMIT 500)",
        )
        .bind(account.user_id)
        .bind(ERASED_FILE_NAME)
        .execute(pool)
        .await
        .map(|done| done.rows_affected()))?)
    }

    /// Deletes the timers that the account has set.
    pub async fn erase_timers(&self, account: &Erasure) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query("DELETE FROM timers WHERE set_by = $1")
            .bind(account.user_id)
            .execute(pool)
            .await
            .map(|_| ()))?;
        Ok(())
    }

    /// The account's names, as actor or as target, in the lines of the audit log that have its id.
    async fn names_in_audit(&self, account: AccountId) -> Result<Vec<String>> {
        let mark = format!(" ({account})");
        let found: Vec<String> = each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT name FROM audit WHERE account = $1 UNION SELECT target FROM audit WHERE target LIKE $2 ESCAPE '\\'",
        )
        .bind(account)
        .bind(format!("%{}", escape_like(&mark)))
        .fetch_all(pool)
        .await)?;
        let names = found.into_iter().map(|name| name.strip_suffix(&mark).map(str::to_owned).unwrap_or(name));
        Ok(names.filter(|name| !name.is_empty() && *name != account.to_string()).collect())
    }

    /// Replaces the account's names by its id in the audit log, and deletes the record of the erasure.
    pub async fn end_erasure(&self, account: &Erasure) -> Result<()> {
        let uid = account.uid;
        let mut names: Vec<String> =
            [&account.name, &account.email, &account.handle].into_iter().flatten().cloned().collect();
        for name in self.names_in_audit(uid).await? {
            // A name that another account has meanwhile stays in place.
            if !names.contains(&name) && self.account_named(&name).await?.is_none() {
                names.push(name);
            }
        }
        let mut tx = self.begin().await?;
        tx.rename_in_audit("UPDATE audit SET name = $1 WHERE account = $2 AND name <> $1", uid, &uid.to_string())
            .await?;
        tx.rename_in_audit("UPDATE audit SET target = $1 WHERE target LIKE $2 ESCAPE '\\'", uid, &format!("%({uid})"))
            .await?;
        for name in names {
            // Lines written by the command line had no id.
            let sql =
                "UPDATE audit SET target = $1 WHERE action LIKE 'account.%' AND LOWER(target) LIKE $2 ESCAPE '\\'";
            tx.rename_in_audit(sql, uid, &escape_like(&name.to_lowercase())).await?;
        }
        each!(Tx: &mut tx, tx => sqlx::query("DELETE FROM account_erasures WHERE user_id = $1")
            .bind(account.user_id)
            .execute(&mut **tx)
            .await
            .map(|_| ()))?;
        tx.commit().await
    }
}

impl Tx {
    async fn rename_in_audit(&mut self, sql: &'static str, uid: AccountId, by: &str) -> Result<()> {
        each!(Tx: self, tx => sqlx::query(sql).bind(uid).bind(by).execute(&mut **tx).await.map(|_| ()))?;
        Ok(())
    }
}

/// The data of an entry about one of these members with the name replaced; None for other entries.
fn without_name(data: &str, accounts: &HashMap<String, &Erasure>) -> Result<Option<String>> {
    let mut value: Value = serde_json::from_str(data).map_err(damaged)?;
    let Some(whom) = value.get_mut("whom") else { return Ok(None) };
    let named = whom["id"].as_str().is_some_and(|id| accounts.contains_key(id)) && whom["name"] != DELETED;
    if !named {
        return Ok(None);
    }
    whom["name"] = DELETED.into();
    Ok(Some(value.to_string()))
}

/// The text of a plugin's post with the account's name replaced; None if the name is not in it. Only whole words are replaced: `ann`
/// is not part of `annual`.
fn without_caller(body: &str, name: &str) -> Option<String> {
    if name.is_empty() || name == DELETED {
        return None;
    }
    let mut text = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let is_word =
            !before.chars().next_back().or_else(|| text.chars().next_back()).is_some_and(char::is_alphanumeric)
                && !after.chars().next().is_some_and(char::is_alphanumeric);
        text.push_str(before);
        text.push_str(if is_word { DELETED } else { name });
        rest = after;
    }
    text.push_str(rest);
    (text != body).then_some(text)
}

/// A message's attachments with the names of files removed; None if no file has a name.
fn without_file_names(attachments: &str) -> Result<Option<String>> {
    let mut value: Value = serde_json::from_str(attachments).map_err(damaged)?;
    let mut changed = false;
    for file in value.as_array_mut().into_iter().flatten() {
        if file.get("name").is_some_and(|name| name != ERASED_FILE_NAME) {
            file["name"] = ERASED_FILE_NAME.into();
            changed = true;
        }
    }
    Ok(changed.then(|| value.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_name_is_replaced_as_a_whole_word() {
        let replaced = |body: &str| without_caller(body, "ann");
        assert_eq!(replaced("* ann waves").unwrap(), "* deleted account waves");
        assert_eq!(
            replaced("@ann: ann, annual ann").unwrap(),
            "@deleted account: deleted account, annual deleted account"
        );
        assert_eq!((replaced("annual joann"), replaced("annann"), replaced("")), (None, None, None));
        assert_eq!(without_caller("* 王 waves, 王様", "王").unwrap(), "* deleted account waves, 王様");
    }

    #[test]
    fn file_names_are_replaced_and_links_kept() {
        let attached = r#"[{"id":"x","name":"ann.png","size":3,"type":"image/png"},{"url":"https://example.org/a"}]"#;
        let want = r#"[{"id":"x","name":"file","size":3,"type":"image/png"},{"url":"https://example.org/a"}]"#;
        let changed = without_file_names(attached).unwrap().unwrap();
        assert_eq!(changed, want);
        assert_eq!(without_file_names(want).unwrap(), None);
    }
}
