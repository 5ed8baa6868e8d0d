//! Accounts of people who log in elsewhere: known by who issues their tokens and what it calls them.

use super::accounts::User;
use super::{Database, each};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::name::is_too_long;
use crate::protocol::AccountId;

impl Database {
    /// The account of this issuer's id.
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

    /// Makes the account of this issuer's id, or finds the one that somebody else made meanwhile.
    pub async fn add_external_user(&self, issuer: &str, id: &str, at: Timestamp) -> Result<User> {
        let uid = AccountId::new();
        // Its name is nobody's key: a uid is no name, so it can neither take a name nor be logged in to by one.
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

    /// By its name, `id@issuer`.
    pub async fn external_user_named(&self, name: &str) -> Result<Option<User>> {
        match name.rsplit_once('@').filter(|_| !is_too_long(name) && !name.contains('\0')) {
            Some((id, issuer)) => self.external_user(issuer, id).await,
            None => Ok(None),
        }
    }

    /// This account, if those of this issuer may know it: it is one of them or has no issuer but us.
    pub async fn known_to(&self, issuer: &str, account: AccountId) -> Result<Option<AccountId>> {
        Ok(each!(Pool: &self.urgent, pool => sqlx::query_scalar(
            "SELECT uid FROM users WHERE uid = $1 AND (issuer IS NULL OR issuer = $2)",
        )
        .bind(account)
        .bind(issuer)
        .fetch_optional(pool)
        .await)?)
    }
}

/// What others see of such an account. No name of people here holds an @, and no issuer does.
fn name(issuer: &str, id: &str) -> String {
    format!("{id}@{issuer}")
}
