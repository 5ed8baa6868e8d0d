//! Pages of stored names merged with the names that a call has staged.

use std::ops::Bound;
use std::sync::Arc;

use super::UnitOfWork;
use crate::error::{Error, Result};

/// Which names of a plugin are listed: keys of values or names of timers.
#[derive(Clone, Copy, Debug)]
pub(super) enum NameKind {
    Values,
    Timers,
}

/// A plugin's id and one of its names.
type OwnedName = (Arc<str>, String);

/// Length of keys and of timer names.
const MAX_NAME_BYTES: usize = 256;

/// Checks a key or a timer's name; `what` describes it in the error.
pub(super) fn check_name(field: &'static str, what: &'static str, name: &str) -> Result<()> {
    crate::text::check_query(field, name)?;
    match name.len() {
        0 => Err(Error::invalid(field, "must not be empty")),
        1..=MAX_NAME_BYTES => Ok(()),
        _ => Err(Error::TooLarge { what, limit: format!("{MAX_NAME_BYTES} bytes") }),
    }
}

impl UnitOfWork {
    /// Names with this prefix after `after`, in byte order, including staged ones.
    pub(super) async fn names(
        &self,
        kind: NameKind,
        plugin: &Arc<str>,
        prefix: &str,
        mut after: Option<String>,
        limit: u32,
    ) -> Result<Vec<String>> {
        if prefix.len() > MAX_NAME_BYTES || after.as_ref().is_some_and(|after| after.len() > MAX_NAME_BYTES) {
            return Err(Error::TooLarge { what: "a name", limit: format!("{MAX_NAME_BYTES} bytes") });
        }
        let limit = limit.clamp(1, 1000);
        let mut listed: Vec<String> = Vec::new();
        loop {
            let database = &self.services.database;
            let page = match kind {
                NameKind::Values => database.keys(plugin, prefix, after.as_deref(), limit).await?,
                NameKind::Timers => database.timer_names(plugin, prefix, after.as_deref(), limit).await?,
            };
            // After a full page, stored names may follow that sort before the next staged one.
            let end = (page.len() >= limit as usize).then(|| page.last().cloned()).flatten();
            listed.extend(self.merged(kind, plugin, prefix, after.as_deref(), page, end.as_deref()));
            match end {
                Some(end) if listed.len() < limit as usize => after = Some(end),
                _ => break,
            }
        }
        listed.truncate(limit as usize);
        Ok(listed)
    }

    /// Merges one page of stored names with the names staged after `after` up to `end` (if none, all the rest).
    fn merged(
        &self,
        kind: NameKind,
        plugin: &Arc<str>,
        prefix: &str,
        after: Option<&str>,
        page: Vec<String>,
        end: Option<&str>,
    ) -> Vec<String> {
        let from = Bound::Included((plugin.clone(), after.unwrap_or_default().to_owned()));
        let staged: Box<dyn Iterator<Item = (&OwnedName, bool)>> = match kind {
            NameKind::Values => {
                Box::new(self.values.range((from, Bound::Unbounded)).map(|(place, value)| (place, value.is_some())))
            }
            NameKind::Timers => {
                Box::new(self.timers.range((from, Bound::Unbounded)).map(|(place, timer)| (place, timer.set)))
            }
        };
        let mut names = page;
        for ((owner, name), there) in staged {
            if owner != plugin || end.is_some_and(|end| name.as_str() > end) {
                break;
            }
            if !name.starts_with(prefix) || after == Some(name) {
                continue;
            }
            match (names.binary_search(name), there) {
                (Ok(at), false) => drop(names.remove(at)),
                (Err(at), true) => names.insert(at, name.clone()),
                _ => {}
            }
        }
        names
    }
}
