//! Finds accounts and rooms by name, and maintains the keys by which names are compared.
//!
//! Triggers copy every name into `names`; its key is computed here. A row without a key was written by a
//! node of an older version or before that table existed: it is completed at the next start, or when a name is not found.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Database, Tx, each, unique_violation};
use crate::error::{Error, Result};
use crate::name::{check_scripts, key, may_imitate, shape, spelling};
use crate::protocol::AccountId;

/// Names that are completed in one transaction.
const NAMES_PER_BATCH: i64 = 1_000;
/// How often a batch is tried again when one of its names was taken meanwhile.
const MAX_TRIES: u32 = 10;
/// Key of the advisory lock that lets one node at a time complete names.
const ADVISORY_LOCK: i64 = 0x6e61_6d65_735f_6b79;

/// The kind of thing that is named; each has a namespace of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    Account,
    Room,
}

impl Space {
    fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Room => "room",
        }
    }

    /// The core's name for the field that contains such a name or handle.
    fn field(self, is_handle: bool) -> &'static str {
        match (self, is_handle) {
            (Self::Account, true) => "id",
            (Self::Account, false) => "username",
            (Self::Room, _) => "name",
        }
    }
}

/// Accounts, or rooms, whose names have the same key.
#[derive(Debug, PartialEq, Eq)]
pub struct NameConflict {
    pub key: String,
    /// The spelling of each name, and the id of its account or room.
    pub names: Vec<(String, String)>,
}

/// A name without a key.
#[derive(Debug, sqlx::FromRow)]
struct Pending {
    space: String,
    owner_id: i64,
    is_handle: bool,
    spelling: String,
}

const FIND: &str = "SELECT owner_id, spelling FROM names WHERE space = $1 AND (key = $2 OR spelling = $3) \
    ORDER BY CASE WHEN spelling = $3 THEN 0 ELSE 1 END, owner_id LIMIT 3";
const PENDING: &str = "SELECT space, owner_id, is_handle, spelling FROM names WHERE key IS NULL \
    ORDER BY space, owner_id, is_handle LIMIT $1";
const HELD_SQLITE: &str = "SELECT n.space, n.key FROM json_each($1) p \
    JOIN names n ON n.space = p.value ->> 'space' AND n.key = p.value ->> 'key' AND n.slot = 0";
const HELD_POSTGRES: &str = "SELECT n.space, n.key FROM json_to_recordset($1::json) AS p (space TEXT, key TEXT) \
    JOIN names n ON n.space = p.space AND n.key = p.key AND n.slot = 0";
const COMPLETE_SQLITE: &str = "UPDATE names SET key = p.value ->> 'key', slot = p.value ->> 'slot', shape = p.value ->> 'shape' \
    FROM json_each($1) p WHERE names.space = p.value ->> 'space' AND names.owner_id = p.value ->> 'owner' \
    AND names.is_handle = p.value ->> 'handle' AND names.spelling = p.value ->> 'spelling' AND names.key IS NULL";
const COMPLETE_POSTGRES: &str = "UPDATE names SET key = p.key, slot = p.slot, shape = p.shape \
    FROM json_to_recordset($1::json) AS p (space TEXT, owner BIGINT, handle BOOLEAN, spelling TEXT, key TEXT, slot BIGINT, shape TEXT) \
    WHERE names.space = p.space AND names.owner_id = p.owner AND names.is_handle = p.handle \
    AND names.spelling = p.spelling AND names.key IS NULL";
const ACCOUNTS_OF_ONE_KEY: &str = "SELECT n.key, n.spelling, u.uid FROM names n JOIN users u ON u.id = n.owner_id \
    WHERE n.space = 'account' AND n.key IN (SELECT key FROM names WHERE space = 'account' AND slot <> 0) ORDER BY n.key, u.id";
const ROOMS_OF_ONE_KEY: &str = "SELECT n.key, n.spelling, r.uid FROM names n JOIN rooms r ON r.id = n.owner_id \
    WHERE n.space = 'room' AND n.key IN (SELECT key FROM names WHERE space = 'room' AND slot <> 0) ORDER BY n.key, r.id";

impl Database {
    /// The number of the account or room of this name: the one with exactly this spelling, or else the only one whose name is
    /// the same but for case, spaces and the like.
    pub(super) async fn named(&self, space: Space, name: &str) -> Result<Option<i64>> {
        let Some(spelling) = spelling(name) else { return Ok(None) };
        let key = key(&spelling);
        loop {
            let rows: Vec<(i64, String)> = each!(Pool: &self.urgent, pool => sqlx::query_as(FIND)
                .bind(space.as_str())
                .bind(&key)
                .bind(&spelling)
                .fetch_all(pool)
                .await)?;
            if let Some((first, exact)) = rows.first() {
                let sole = rows.iter().all(|(owner, _)| owner == first);
                return Ok((*exact == spelling || sole).then_some(*first));
            }
            if self.complete_names().await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Whether a name could be mistaken for that of an account: it mixes scripts or has restricted characters, and looks like one.
    pub async fn imitates_account(&self, name: &str) -> Result<bool> {
        if !may_imitate(name) {
            return Ok(false);
        }
        Ok(each!(Pool: &self.read, pool => sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM names WHERE space = 'account' AND shape = $1)",
        )
        .bind(shape(name))
        .fetch_one(pool)
        .await)?)
    }

    /// Computes the keys of names that have none; returns how many. Each batch is a
    /// transaction of its own, so this can be stopped at any time, and several nodes may run it at once.
    pub async fn complete_names(&self) -> Result<u64> {
        let (mut done, mut tries) = (0, 0);
        loop {
            let missing: bool = each!(Pool: &self.urgent, pool => sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM names WHERE key IS NULL)",
            )
            .fetch_one(pool)
            .await)?;
            if !missing {
                return Ok(done);
            }
            let mut tx = self.begin().await?;
            let batch = async {
                let completed = tx.complete_names().await?;
                tx.commit().await?;
                Ok(completed)
            };
            match batch.await {
                // Another node completed the batch first.
                Ok(0) if tries < MAX_TRIES => tries += 1,
                Ok(0) => return Ok(done),
                Ok(completed) => done += completed,
                // A name of the batch was taken before the commit.
                Err(Error::Conflict(_) | Error::Contended) if tries < MAX_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// Accounts, and rooms, that share a key with others: they are found by their exact spelling alone.
    pub async fn name_conflicts(&self) -> Result<(Vec<NameConflict>, Vec<NameConflict>)> {
        let accounts: Vec<(String, String, AccountId)> =
            each!(Pool: &self.read, pool => sqlx::query_as(ACCOUNTS_OF_ONE_KEY).fetch_all(pool).await)?;
        let accounts = accounts.into_iter().map(|(key, spelling, id)| (key, spelling, id.to_string())).collect();
        let rooms: Vec<(String, String, String)> =
            each!(Pool: &self.read, pool => sqlx::query_as(ROOMS_OF_ONE_KEY).fetch_all(pool).await)?;
        Ok((conflicts(accounts), conflicts(rooms)))
    }
}

/// Groups rows of key, spelling and owner, sorted by key; a handle that equals its own account's name is no conflict.
fn conflicts(rows: Vec<(String, String, String)>) -> Vec<NameConflict> {
    let mut found: Vec<NameConflict> = Vec::new();
    for (key, spelling, owner) in rows {
        match found.last_mut().filter(|last| last.key == key) {
            Some(last) => last.names.push((spelling, owner)),
            None => found.push(NameConflict { key, names: vec![(spelling, owner)] }),
        }
    }
    found.retain(|conflict| conflict.names.iter().any(|(_, owner)| *owner != conflict.names[0].1));
    found
}

impl Tx {
    /// Computes the keys of one batch. The first name with a key holds it, in slot 0; the others share it.
    async fn complete_names(&mut self) -> Result<u64> {
        if let Self::Postgres(tx) = self {
            sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(ADVISORY_LOCK).execute(&mut **tx).await?;
        }
        let rows: Vec<Pending> =
            each!(Tx: self, tx => sqlx::query_as(PENDING).bind(NAMES_PER_BATCH).fetch_all(&mut **tx).await)?;
        let keys: Vec<String> = rows.iter().map(|row| key(&row.spelling)).collect();
        let asked: Vec<Value> =
            rows.iter().zip(&keys).map(|(row, key)| json!({"space": row.space, "key": key})).collect();
        let held = self.pick(HELD_SQLITE, HELD_POSTGRES);
        let held: Vec<(String, String)> = each!(Tx: self, tx => sqlx::query_as(held)
            .bind(Value::Array(asked).to_string())
            .fetch_all(&mut **tx)
            .await)?;
        let mut held: HashSet<(String, String)> = held.into_iter().collect();
        let completed: Vec<Value> = rows
            .iter()
            .zip(keys)
            .map(|(row, key)| {
                let first = held.insert((row.space.clone(), key.clone()));
                let slot = if first { 0 } else { own_slot(row.owner_id, row.is_handle) };
                let (space, owner, handle, spelling) = (&row.space, row.owner_id, row.is_handle, &row.spelling);
                json!({"space": space, "owner": owner, "handle": handle, "spelling": spelling,
                    "key": key, "slot": slot, "shape": shape(spelling)})
            })
            .collect();
        let complete = self.pick(COMPLETE_SQLITE, COMPLETE_POSTGRES);
        let done = each!(Tx: self, tx => sqlx::query(complete)
            .bind(Value::Array(completed).to_string())
            .execute(&mut **tx)
            .await
            .map(|done| done.rows_affected()));
        done.map_err(|error| match unique_violation(&error) {
            Some(_) => Error::Conflict("a name was taken meanwhile".into()),
            None => error.into(),
        })
    }

    /// Computes the keys of the names that an account or a room was just given. Fails with a conflict if a name is taken, or
    /// could be mistaken for another one.
    pub(super) async fn claim_names(&mut self, space: Space, owner: i64) -> Result<()> {
        let rows: Vec<Pending> = each!(Tx: self, tx => sqlx::query_as(
            "SELECT space, owner_id, is_handle, spelling FROM names \
             WHERE space = $1 AND owner_id = $2 AND key IS NULL ORDER BY is_handle",
        )
        .bind(space.as_str())
        .bind(owner)
        .fetch_all(&mut **tx)
        .await)?;
        for row in rows {
            self.claim_name(space, &row).await?;
        }
        Ok(())
    }

    async fn claim_name(&mut self, space: Space, row: &Pending) -> Result<()> {
        let (key, shape) = (key(&row.spelling), shape(&row.spelling));
        let holders: Vec<i64> = each!(Tx: self, tx => sqlx::query_scalar(
            "SELECT owner_id FROM names WHERE space = $1 AND key = $2 \
             ORDER BY CASE WHEN owner_id = $3 THEN 1 ELSE 0 END LIMIT 1",
        )
        .bind(space.as_str())
        .bind(&key)
        .bind(row.owner_id)
        .fetch_all(&mut **tx)
        .await)?;
        // A handle may equal its own account's name.
        let own = holders.contains(&row.owner_id);
        if !holders.is_empty() && !own {
            return Err(is_taken(space, &row.spelling));
        }
        if may_imitate(&row.spelling) {
            let imitated: Option<String> = each!(Tx: self, tx => sqlx::query_scalar(
                "SELECT spelling FROM names WHERE space = $1 AND shape = $2 AND owner_id <> $3 LIMIT 1",
            )
            .bind(space.as_str())
            .bind(&shape)
            .bind(row.owner_id)
            .fetch_optional(&mut **tx)
            .await)?;
            if imitated.is_some() {
                return Err(Error::Conflict(format!("this name looks like that of another {}", space.as_str())));
            }
            check_scripts(space.field(row.is_handle), &row.spelling)?;
        }
        let done = each!(Tx: self, tx => sqlx::query(
            "UPDATE names SET key = $1, shape = $2, slot = $3 WHERE space = $4 AND owner_id = $5 AND is_handle = $6",
        )
        .bind(&key)
        .bind(&shape)
        .bind(if own { own_slot(row.owner_id, row.is_handle) } else { 0 })
        .bind(space.as_str())
        .bind(row.owner_id)
        .bind(row.is_handle)
        .execute(&mut **tx)
        .await
        .map(|_| ()));
        done.map_err(|error| match unique_violation(&error) {
            Some(_) => is_taken(space, &row.spelling),
            None => error.into(),
        })
    }
}

/// The slot of a name whose key another name holds already; no other name has the same slot.
fn own_slot(owner: i64, is_handle: bool) -> i64 {
    owner * 2 + i64::from(is_handle)
}

fn is_taken(space: Space, name: &str) -> Error {
    match space {
        Space::Account => Error::Conflict("this user name is taken".into()),
        Space::Room => Error::Conflict(format!("a room named {name} exists already")),
    }
}
