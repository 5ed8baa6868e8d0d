//! What administrators may see and do. Whatever changes something is in the audit log.

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

/// How many of something one answer carries.
const PAGE: u32 = 100;

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

/// Somebody whose account has the admin flag.
#[derive(Clone)]
pub(super) struct Admin(Account);

impl FromRequestParts<Arc<State>> for Admin {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<State>) -> Result<Self, Failure> {
        // Whatever is audited was asked before.
        if let Some(admin) = parts.extensions.get::<Self>() {
            return Ok(admin.clone());
        }
        let Authorized(identity) = Authorized::from_request_parts(parts, state).await?;
        // Asked of the database each time: the flag may have gone since the token was given out.
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

/// Files are read and written where no connection waits for it.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, EditError> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(Error::internal)?;
    done.map_err(|error| match error {
        EditError::File { .. } => Error::Unavailable(error.to_string()),
        EditError::Faults(_) | EditError::Outranked { .. } => Error::Conflict(error.to_string()),
    })
}

/// Which part of a long list is wanted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Those alone that hold this text.
    query: Option<String>,
    /// What the page before gave as `next`.
    cursor: Option<i64>,
}

/// Cuts what is one more than a page; gives where the next one begins, if there is one.
fn cut<T, C>(list: &mut Vec<T>, cursor: impl Fn(&T) -> C) -> Option<C> {
    let more = list.len() > PAGE as usize;
    list.truncate(PAGE as usize);
    list.last().filter(|_| more).map(cursor)
}
