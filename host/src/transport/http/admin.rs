//! The administration routes. Every operation that changes something is recorded in the audit log.

mod accounts;
pub(super) mod audit;
mod connections;
mod figures;
mod log;
mod nodes;
mod plugins;
mod rooms;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::extract::Authorized;
use super::{Failure, State};
use crate::config::EditError;
use crate::error::{Error, Result};
use crate::protocol::Account;

/// How many items a page has.
const PAGE_SIZE: u32 = 100;

pub(super) fn routes() -> OpenApiRouter<Arc<State>> {
    OpenApiRouter::new()
        .routes(routes!(accounts::list))
        .routes(routes!(accounts::disable))
        .routes(routes!(accounts::enable))
        .routes(routes!(accounts::log_out))
        .routes(routes!(accounts::set_admin))
        .routes(routes!(plugins::list))
        .routes(routes!(plugins::change::reload))
        .routes(routes!(plugins::change::upload, plugins::change::remove))
        .routes(routes!(plugins::change::roll_back))
        .routes(routes!(plugins::change::retry))
        .routes(routes!(plugins::change::rename))
        .routes(routes!(plugins::change::enable))
        .routes(routes!(plugins::change::disable))
        .routes(routes!(plugins::settings::show, plugins::settings::change))
        .routes(routes!(plugins::logs))
        .routes(routes!(rooms::list))
        .routes(routes!(rooms::delete))
        .routes(routes!(connections::list))
        .routes(routes!(connections::close))
        .routes(routes!(figures::show))
        .routes(routes!(nodes::list))
        .routes(routes!(log::lines))
        .routes(routes!(log::config))
        .routes(routes!(audit::list))
}

/// An authenticated administrator.
#[derive(Clone)]
pub(super) struct Admin(Account);

impl FromRequestParts<Arc<State>> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        // Audited requests were authenticated before.
        if let Some(admin) = parts.extensions.get::<Self>() {
            return Ok(admin.clone());
        }
        let Authorized(identity) = Authorized::from_request_parts(parts, state).await?;
        // Read from the database each time: the flag may have been removed since the token was issued.
        let user = state.core.accounts.user(identity.account.id).await?;
        if user.is_admin && user.disabled_at.is_none() {
            Ok(Self(user.account()))
        } else {
            let name = user.username;
            Err(Error::Forbidden(format!(
                "only for administrators; `natterjack user admin {name}` makes this account one"
            ))
            .into())
        }
    }
}

/// Runs file operations on a blocking thread, and converts their errors.
async fn edit_blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, EditError> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    done.map_err(|error| match error {
        EditError::File { .. } => Error::Unavailable(error.to_string()),
        EditError::Faults(_) | EditError::Outranked { .. } => Error::Conflict(error.to_string()),
    })
}

/// Filter and cursor of a paged list.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only items that contain this text.
    query: Option<String>,
    /// The `next` of the previous page.
    cursor: Option<i64>,
}

/// Truncates a list to one page; returns the cursor of the next page, if there is one.
fn truncate_page<T, C>(list: &mut Vec<T>, cursor: impl Fn(&T) -> C) -> Option<C> {
    let more = list.len() > PAGE_SIZE as usize;
    list.truncate(PAGE_SIZE as usize);
    list.last().filter(|_| more).map(cursor)
}
