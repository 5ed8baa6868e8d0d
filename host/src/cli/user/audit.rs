//! Audit lines of the command line.

use anyhow::Result;
use nix::unistd::{User, geteuid};

use super::Action;
use crate::clock::now;
use crate::database::{self, Database, Outcome};

/// Runs an action with a line in the audit log: begun before the action, and completed with its outcome.
pub(super) async fn audited(
    database: &Database,
    (what, on): (&str, &str),
    work: impl Future<Output = Result<String>>,
) -> Result<String> {
    let user = geteuid();
    let name = User::from_uid(user).ok().flatten().map_or_else(|| format!("user {user}"), |user| user.name);
    // The line has the account's id too, so that its name can be removed after a deletion.
    let known = super::find(database, on).await.ok().map(|user| format!("{} ({})", user.username, user.uid));
    let on = known.as_deref().unwrap_or(on);
    let line = database.begin_audit(database::Action { account: None, name: &name, what, on }, now()).await?;
    let done = work.await;
    let (outcome, detail) = match &done {
        Ok(_) => (Outcome::Done, "on the command line".to_owned()),
        Err(error) => (Outcome::Refused, format!("on the command line: {error:#}")),
    };
    database.end_audit(line, None, outcome, &detail).await?;
    done
}

impl Action {
    /// The action's name in the audit log, and the account's name; `None` if it changes nothing.
    pub(super) fn audit_name(&self) -> Option<(&'static str, String)> {
        let (what, name) = match self {
            Self::List | Self::Conflicts => return None,
            Self::Add { name, .. } => ("account.add", name),
            Self::Admin { name, .. } => ("account.admin", name),
            Self::Disable { name } => ("account.disable", name),
            Self::Enable { name } => ("account.enable", name),
            Self::Delete { name, .. } => ("account.delete", name),
            Self::Password { name, .. } => ("account.password", name),
            Self::Token { name } => ("account.token", name),
        };
        Some((what, name.clone()))
    }
}
