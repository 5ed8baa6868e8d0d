//! The audit log: each change by an administrator is recorded before it is made, and its outcome afterwards.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{FromRequestParts as _, MatchedPath, RawPathParams, Request, State as Shared};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, IntoResponseParts, Response, ResponseParts};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Admin, PAGE_SIZE, Wanted, truncate_page};
use crate::clock::{Timestamp, now};
use crate::database::{Action, AuditLine, Outcome};
use crate::error::Error;
use crate::protocol::AccountId;
use crate::transport::http::extract::Query;
use crate::transport::http::{Answer, Failure, State};

/// The audit log's name for each operation that changes something, with its route.
const ACTIONS: [(&str, Method, &str); 15] = [
    ("plugin.reload", Method::POST, "/api/admin/plugins/reload"),
    ("plugin.upload", Method::PUT, "/api/admin/plugins/{id}"),
    ("plugin.remove", Method::DELETE, "/api/admin/plugins/{id}"),
    ("plugin.rollback", Method::POST, "/api/admin/plugins/{id}/rollback"),
    ("plugin.retry", Method::POST, "/api/admin/plugins/{id}/retry"),
    ("plugin.rename", Method::POST, "/api/admin/plugins/{id}/rename"),
    ("plugin.enable", Method::POST, "/api/admin/plugins/{id}/enable"),
    ("plugin.disable", Method::POST, "/api/admin/plugins/{id}/disable"),
    ("plugin.settings", Method::PUT, "/api/admin/plugins/{id}/settings"),
    ("account.disable", Method::POST, "/api/admin/accounts/{id}/disable"),
    ("account.enable", Method::POST, "/api/admin/accounts/{id}/enable"),
    ("account.logout", Method::POST, "/api/admin/accounts/{id}/logout"),
    ("account.admin", Method::PUT, "/api/admin/accounts/{id}/admin"),
    ("room.delete", Method::DELETE, "/api/admin/rooms/{id}"),
    ("connection.close", Method::DELETE, "/api/admin/connections/{id}"),
];

/// The maximum length of texts in a line, in characters.
const MAX_TEXT_CHARS: usize = 500;

/// What a response adds to its line of the audit log.
#[derive(Clone, Default)]
pub(in crate::transport::http) struct AuditNote {
    /// The name of the target.
    on: Option<String>,
    detail: String,
}

impl AuditNote {
    pub(super) fn on(name: &str) -> Self {
        Self { on: Some(name.to_owned()), detail: String::new() }
    }

    pub(super) fn detail(detail: String) -> Self {
        Self { on: None, detail }
    }

    pub(super) fn and(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }
}

impl IntoResponseParts for AuditNote {
    type Error = std::convert::Infallible;

    fn into_response_parts(self, parts: ResponseParts) -> Result<ResponseParts, Self::Error> {
        Extension(self).into_response_parts(parts)
    }
}

/// Middleware that records requests by which administrators change something.
pub(in crate::transport::http) async fn record(
    Shared(state): Shared<Arc<State>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(action) = action(&request) else { return next.run(request).await };
    // In a task of its own, so that the operation and its line are completed even if the client disconnects.
    let recorded = tokio::spawn(run(state, action, request, next)).await;
    recorded.unwrap_or_else(|error| Failure::from(Error::internal(error)).into_response())
}

fn action(request: &Request) -> Option<&'static str> {
    let path = request.extensions().get::<MatchedPath>()?.as_str();
    ACTIONS.iter().find(|(_, method, route)| *method == request.method() && *route == path).map(|(name, ..)| *name)
}

async fn run(state: Arc<State>, action: &'static str, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let admin = match Admin::from_request_parts(&mut parts, &state).await {
        Ok(admin) => admin,
        Err(failure) => return failure.into_response(),
    };
    let params = RawPathParams::from_request_parts(&mut parts, &state).await;
    let on = params.iter().flatten().map(|(_, value)| clip(value)).collect::<String>();
    let account = &admin.0;
    let begun = Action { account: Some(account), name: &account.name, what: action, on: &on };
    let line = match state.database.begin_audit(begun, now()).await {
        Ok(line) => line,
        Err(error) => return Failure::from(error).into_response(),
    };
    parts.extensions.insert(admin.clone());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let outcome = match response.status() {
        status if status.is_success() => Outcome::Done,
        StatusCode::SERVICE_UNAVAILABLE => Outcome::Failed,
        status if status.is_server_error() => Outcome::Failed,
        _ => Outcome::Refused,
    };
    let AuditNote { on: named, detail } = response.extensions_mut().remove::<AuditNote>().unwrap_or_default();
    let named = named.map(|name| format!("{name} ({on})"));
    let detail = clip(&detail);
    tracing::info!(
        action, on = named.as_deref().unwrap_or(&on), by = %account.name, ?outcome, detail, "administrator action"
    );
    if let Err(error) = state.database.end_audit(line, named.as_deref(), outcome, &detail).await {
        tracing::error!(%error, line, "recording audit outcome failed");
    }
    response
}

fn clip(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(MAX_TEXT_CHARS).collect()
}

impl From<&Error> for AuditNote {
    fn from(error: &Error) -> Self {
        Self::detail(error.to_string())
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditLog)]
pub(in crate::transport::http) struct Lines {
    /// Latest first.
    lines: Vec<Line>,
    /// Null on the last page.
    #[schema(required)]
    next: Option<i64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = AuditLine)]
struct Line {
    id: i64,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    by: By,
    /// Such as `plugin.upload`.
    action: String,
    /// The target; empty if it is the server as a whole.
    on: String,
    /// `done`, `refused` or `failed`; null while it is in progress, or if the server crashed before it ended.
    #[schema(required)]
    outcome: Option<String>,
    /// Details, such as why it was refused.
    detail: String,
}

#[derive(Serialize, ToSchema)]
struct By {
    /// Null for the command line.
    #[schema(value_type = Option<Uuid>, required)]
    account: Option<AccountId>,
    /// For the command line, the user name of the operating system.
    name: String,
}

/// List what administrators did, latest first; or only lines whose administrator, action or target contains a text
#[utoipa::path(get, path = "/api/admin/audit", tag = "administration", security(("token" = [])), operation_id = "audit_log", params(Wanted), responses((status = 200, body = Lines)))]
pub(in crate::transport::http) async fn list(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Query(Wanted { query, cursor }): Query<Wanted>,
) -> Answer {
    let mut lines = state.database.audit(query.as_deref(), cursor.unwrap_or(i64::MAX), PAGE_SIZE + 1).await?;
    let next = truncate_page(&mut lines, |line| line.id);
    Ok(axum::Json(Lines { lines: lines.into_iter().map(shown).collect(), next }).into_response())
}

fn shown(line: AuditLine) -> Line {
    Line {
        id: line.id,
        at: Timestamp(line.at),
        by: By { account: line.account, name: line.name },
        action: line.action,
        on: line.target,
        outcome: line.outcome,
        detail: line.detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changing_operation_has_a_name_in_the_audit_log() {
        let (_, document) = crate::transport::http::api(true);
        let mut changing = Vec::new();
        for (path, item) in &document.paths.paths {
            let methods = [
                (&item.post, Method::POST),
                (&item.put, Method::PUT),
                (&item.patch, Method::PATCH),
                (&item.delete, Method::DELETE),
            ];
            for (_, method) in methods.into_iter().filter(|(operation, _)| operation.is_some()) {
                if path.starts_with("/api/admin/") {
                    changing.push(format!("{method} {path}"));
                }
            }
        }
        let mut named: Vec<String> = ACTIONS.iter().map(|(_, method, path)| format!("{method} {path}")).collect();
        changing.sort();
        named.sort();
        assert_eq!(named, changing);
    }
}
