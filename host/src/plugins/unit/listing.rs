//! Pages of names, with what a call has staged in them.

use std::ops::Bound;
use std::sync::Arc;

use super::UnitOfWork;
use crate::error::{Error, Result};

/// What a plugin keeps under names of its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kept {
    Values,
    Timers,
}

/// A name, and whose it is.
type Place = (Arc<str>, String);

/// Keys of values and names of timers.
const NAME_BYTES: usize = 256;

/// Whether this may be a key or a timer's name; `what` says which.
pub(super) fn check_name(field: &'static str, what: &'static str, name: &str) -> Result<()> {
    crate::text::check_query(field, name)?;
    match name.len() {
        0 => Err(Error::invalid(field, "must not be empty")),
        1..=NAME_BYTES => Ok(()),
        _ => Err(Error::TooLarge { what, limit: format!("{NAME_BYTES} bytes") }),
    }
}

impl UnitOfWork {
    /// Names with this prefix after `after`, in byte order, staged ones among them.
    pub(super) async fn names(
        &self,
        kept: Kept,
        plugin: &Arc<str>,
        prefix: &str,
        mut after: Option<String>,
        limit: u32,
    ) -> Result<Vec<String>> {
        if prefix.len() > NAME_BYTES || after.as_ref().is_some_and(|after| after.len() > NAME_BYTES) {
            return Err(Error::TooLarge { what: "a name", limit: format!("{NAME_BYTES} bytes") });
        }
        let limit = limit.clamp(1, 1000);
        let mut listed: Vec<String> = Vec::new();
        loop {
            let database = &self.services.database;
            let page = match kept {
                Kept::Values => database.keys(plugin, prefix, after.as_deref(), limit).await?,
                Kept::Timers => database.timer_names(plugin, prefix, after.as_deref(), limit).await?,
            };
            // Beyond a full page there may be stored names that sort before the next staged one.
            let end = (page.len() >= limit as usize).then(|| page.last().cloned()).flatten();
            listed.extend(self.merged(kept, plugin, prefix, after.as_deref(), page, end.as_deref()));
            match end {
                Some(end) if listed.len() < limit as usize => after = Some(end),
                _ => break,
            }
        }
        listed.truncate(limit as usize);
        Ok(listed)
    }

    /// One page of stored names with what was staged between `after` and `end` (or to the end of all).
    fn merged(
        &self,
        kept: Kept,
        plugin: &Arc<str>,
        prefix: &str,
        after: Option<&str>,
        page: Vec<String>,
        end: Option<&str>,
    ) -> Vec<String> {
        let from = Bound::Included((plugin.clone(), after.unwrap_or_default().to_owned()));
        let staged: Box<dyn Iterator<Item = (&Place, bool)>> = match kept {
            Kept::Values => {
                Box::new(self.values.range((from, Bound::Unbounded)).map(|(place, value)| (place, value.is_some())))
            }
            Kept::Timers => {
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
