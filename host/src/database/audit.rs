//! What administrators did: a line each, written before it is done and completed after it.

use serde::Serialize;

use super::rooms::escape_like;
use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::protocol::{Account, AccountId};

/// What somebody is about to do.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// None on the command line.
    pub account: Option<&'a Account>,
    /// What they are called: there, by the operating system.
    pub name: &'a str,
    /// Such as `plugin.upload`.
    pub what: &'a str,
    pub on: &'a str,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    Done,
    /// Nothing was changed.
    Refused,
    /// It could not be done.
    Failed,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AuditLine {
    pub id: i64,
    pub at: i64,
    pub account: Option<AccountId>,
    pub name: String,
    pub action: String,
    pub target: String,
    /// None while it is under way, or if the server did not live to say.
    pub outcome: Option<String>,
    pub detail: String,
}

impl Database {
    /// Notes what somebody is about to do; gives the line's number.
    pub async fn begin_audit(&self, action: Action<'_>, at: Timestamp) -> Result<i64> {
        Ok(each!(Pool: &self.write, pool => sqlx::query_scalar(
            "INSERT INTO audit (at, account, name, action, target) VALUES ($1, $2, $3, $4, $5) RETURNING id",
        )
        .bind(at)
        .bind(action.account.map(|account| account.id))
        .bind(action.name)
        .bind(action.what)
        .bind(action.on)
        .fetch_one(pool)
        .await)?)
    }

    /// Notes what became of it; with `on`, what it was done to is called so from now on.
    pub async fn end_audit(&self, line: i64, on: Option<&str>, outcome: Outcome, detail: &str) -> Result<()> {
        each!(Pool: &self.write, pool => sqlx::query(
            "UPDATE audit SET target = COALESCE($1, target), outcome = $2, detail = $3 WHERE id = $4",
        )
        .bind(on)
        .bind(outcome.as_str())
        .bind(detail)
        .bind(line)
        .execute(pool)
        .await
        .map(|_| ()))?;
        Ok(())
    }

    /// The latest lines first, before this number; with `query`, those in which somebody, an action or its target holds it.
    pub async fn audit(&self, query: Option<&str>, before: i64, limit: u32) -> Result<Vec<AuditLine>> {
        let pattern = format!("%{}%", escape_like(&query.unwrap_or_default().to_lowercase()));
        Ok(each!(Pool: &self.read, pool => sqlx::query_as(
            "SELECT id, at, account, name, action, target, outcome, detail FROM audit \
             WHERE id < $1 AND (LOWER(name) LIKE $2 ESCAPE '\\' OR action LIKE $2 ESCAPE '\\' OR LOWER(target) LIKE $2 ESCAPE '\\') \
             ORDER BY id DESC LIMIT $3",
        )
        .bind(before)
        .bind(&pattern)
        .bind(i64::from(limit))
        .fetch_all(pool)
        .await)?)
    }

    pub async fn drop_audit_before(&self, before: Timestamp) -> Result<u64> {
        Ok(each!(Pool: &self.write, pool => sqlx::query("DELETE FROM audit WHERE at < $1")
            .bind(before)
            .execute(pool)
            .await
            .map(|done| done.rows_affected()))?)
    }
}
