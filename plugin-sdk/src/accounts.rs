//! Looks up accounts, if `accounts` is granted. Never gives a password, a hash or a token.

use crate::error::Result;
use crate::host;
use crate::types::AccountId;

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// Whether it has a live connection now.
    pub online: bool,
}

/// Looks up an account by id.
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn get(id: &AccountId) -> Result<Option<Account>> {
    host::accounts::get(id)
}

/// Looks up an account by name, ignoring case.
///
/// # Errors
/// Errors of the host, such as `unavailable` in a filter.
pub fn find(name: &str) -> Result<Option<Account>> {
    host::accounts::find(name)
}
