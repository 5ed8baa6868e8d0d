//! External accounts: those of people who log in elsewhere, identified by the issuer of their tokens and its id for them.

use super::accounts::User;
use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::name::is_too_long;
use crate::protocol::AccountId;

impl Database {
    /// The account for this issuer's id.
    pub async fn external_user(&self, issuer: &str, id: &str) -> Result<Option<User>> {
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_as(
            "SELECT id, uid, username, email, password_hash, is_admin, disabled_at, created_at, handle FROM users \
             WHERE issuer = $1 AND external_id = $2",
        )
        .bind(issuer)
        .bind(id)
        .fetch_optional(pool)
        .await)?)
    }

    /// Creates the account for this issuer's id, or returns the one that exists.
    pub async fn add_external_user(&self, issuer: &str, id: &str, at: Timestamp) -> Result<User> {
        let uid = AccountId::new();
        // The uid as its key: no name equals a uid, so the account neither takes a name nor can be logged in to by one.
        Ok(each!(Pool: &self.write, pool => sqlx::query_as(
            "INSERT INTO users (uid, username, username_key, password_hash, issuer, external_id, created_at, updated_at) \
             VALUES ($1, $2, $3, '', $4, $5, $6, $6) \
             ON CONFLICT (issuer, external_id) DO UPDATE SET updated_at = users.updated_at \
             RETURNING id, uid, username, email, password_hash, is_admin, disabled_at, created_at, handle",
        )
        .bind(uid)
        .bind(name(issuer, id))
        .bind(uid.to_string())
        .bind(issuer)
        .bind(id)
        .bind(at)
        .fetch_one(pool)
        .await)?)
    }

    /// Finds an external account by its name, `id@issuer`.
    pub async fn external_user_named(&self, name: &str) -> Result<Option<User>> {
        match name.rsplit_once('@').filter(|_| !is_too_long(name) && !name.contains('\0')) {
            Some((id, issuer)) => self.external_user(issuer, id).await,
            None => Ok(None),
        }
    }

    /// This account, if accounts of this issuer may know of it: it has the same issuer, or none.
    pub async fn account_visible_to(&self, issuer: &str, account: AccountId) -> Result<Option<AccountId>> {
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_scalar(
            "SELECT uid FROM users WHERE uid = $1 AND (issuer IS NULL OR issuer = $2)",
        )
        .bind(account)
        .bind(issuer)
        .fetch_optional(pool)
        .await)?)
    }
}

/// The name under which others see an external account. Neither local names nor issuers contain an @.
fn name(issuer: &str, id: &str) -> String {
    format!("{id}@{issuer}")
}
