//! Looking people up, if `accounts` is granted. Never a password, a hash or a token.

use crate::error::Result;
use crate::host;
use crate::types::AccountId;

/// Somebody who signed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// Whether it has a live connection now.
    pub online: bool,
}

/// By id.
///
/// # Errors
/// As the host's.
pub fn get(id: &AccountId) -> Result<Option<Account>> {
    host::accounts::get(id)
}

/// By name, in any case.
///
/// # Errors
/// As the host's.
pub fn find(name: &str) -> Result<Option<Account>> {
    host::accounts::find(name)
}
