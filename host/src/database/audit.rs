//! The audit log of administrators' actions: one line each, written before the action and completed after it.

use serde::Serialize;

use super::rooms::escape_like;
use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::protocol::{Account, AccountId};

/// An action that an administrator is about to take.
#[derive(Clone, Copy, Debug)]
pub struct Action<'a> {
    /// None on the command line.
    pub account: Option<&'a Account>,
    /// The account's name; on the command line, the operating system's user name.
    pub name: &'a str,
    /// The kind of action, such as `plugin.upload`.
    pub what: &'a str,
    pub on: &'a str,
}

/// The outcome of an action.
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
    /// None while the action is under way, or if the server ended before its outcome was recorded.
    pub outcome: Option<String>,
    pub detail: String,
}

impl Database {
    /// Records an action that is about to be taken; returns the line's number.
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

    /// Records the outcome of an action; `on` replaces the recorded target.
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

    /// Lines with numbers below `before`, the latest first; with `query`, those whose name, action or target contains it.
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
