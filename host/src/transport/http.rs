//! The HTTP router: the REST API (accounts, rooms, history, administration, health), pages, and the routes of live connections.

mod admin;
mod auth;
mod blocked;
pub(super) mod bodies;
mod compression;
pub(super) mod conditions;
mod conversations;
pub(super) mod extract;
pub(super) mod forwarded;
mod health;
mod host;
mod me;
mod media;
mod observe;
mod openapi;
pub(super) mod origin;
mod paging;
mod query;
mod rooms;
mod server;
mod sessions;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State as Extract};
use axum::handler::Handler as _;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::admission::Admission;
use crate::cluster::Cluster;
use crate::config::{self, Config, Reloadable};
use crate::dashboard::DashboardSamples;
use crate::database::Database;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::media::Media;
use crate::metrics::Metrics;
use crate::plugins::{Plugins, RecentLines};
use crate::session::Core;

/// How long browsers may cache the answer to a CORS preflight.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);

/// State that request handlers share.
pub struct State {
    pub core: Arc<Core>,
    pub database: Database,
    pub media: Media,
    /// For the admin API, which manages them.
    pub plugins: Arc<Plugins>,
    pub metrics: Arc<Metrics>,
    pub metrics_config: Reloadable<config::Metrics>,
    /// Origins of other web pages that may connect.
    pub cors: Reloadable<config::Cors>,
    /// Settings of the server, such as its trusted proxies.
    pub server: Reloadable<config::Server>,
    pub admission: Arc<Admission>,
    /// Open connections, so that a stopping server can wait for them.
    pub connections: TaskTracker,
    /// Cancelled when the server is about to stop; `/readyz` then fails.
    pub leaving: CancellationToken,
    /// `None` on a single node.
    pub cluster: Option<Arc<Cluster>>,
    pub stop: CancellationToken,
    /// The configuration file, in which plugins are enabled and disabled; `None` if the server runs without one.
    pub config_file: Option<PathBuf>,
    pub recent_lines: Arc<RecentLines>,
    /// Recent measurements, for the admin console.
    pub dashboard: Arc<DashboardSamples>,
    /// The configuration in force.
    pub config: Reloadable<Config>,
}

/// The dialect of a listener; `None` if clients choose.
#[derive(Clone, Copy, Debug)]
pub struct ListenerDialect(pub Option<Dialect>);

/// An error that becomes the response to a REST request.
pub(crate) struct Failure {
    error: Error,
    /// Overrides the status that follows from the error.
    status: Option<StatusCode>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Failure {
    pub(crate) fn with_status(status: StatusCode, error: Error) -> Self {
        Self { error, status: Some(status), headers: Vec::new() }
    }

    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, status: None, headers: Vec::new() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let Self { error, status, headers } = self;
        let status = status.unwrap_or(match &error {
            Error::BadRequest(_) | Error::Conflict(_) | Error::Invalid { .. } | Error::Rejected { .. } => {
                StatusCode::BAD_REQUEST
            }
            Error::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Error::Forbidden(_) => StatusCode::FORBIDDEN,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Error::Plugin { .. } | Error::Unavailable(_) | Error::Contended => StatusCode::SERVICE_UNAVAILABLE,
            Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        });
        let body = json!({"error": {"code": error.code(), "message": error.to_string()}});
        let mut response = (status, admin::audit::AuditNote::from(&error), axum::Json(body)).into_response();
        response.extensions_mut().insert(observe::FailureCode(error.code()));
        if let Some(wait) = error.retry_after() {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.headers_mut().extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
        response
    }
}

type Answer = Result<Response, Failure>;

/// The router of everything that is served over HTTP; `with_metrics` unless metrics have a listener of their own.
pub fn app(state: Arc<State>, with_metrics: bool) -> Router {
    let (api, document) = api(with_metrics);
    let api = api
        .route_layer(from_fn_with_state(state.clone(), admin::audit::record))
        .route_layer(from_fn_with_state(state.clone(), extract::limit_anonymous));
    compression::compressed(api.merge(openapi::pages(document)).merge(super::web::pages()))
        .route("/ws", get(super::websocket::upgrade))
        .route("/ws/native", get(super::websocket::upgrade))
        .route("/ws/go", get(super::websocket::upgrade))
        .route("/ws/rooms", get(super::websocket::upgrade))
        .route("/ws/direct", get(super::websocket::upgrade))
        .route("/ws/groups", get(super::websocket::upgrade))
        .merge(super::socketio::routes(&state))
        .fallback(unrouted)
        .method_not_allowed_fallback(async || {
            let error = Error::BadRequest("this path does not support this method".into());
            Failure::with_status(StatusCode::METHOD_NOT_ALLOWED, error)
        })
        // `bodies::read` enforces the limits of bodies.
        .layer(DefaultBodyLimit::disable())
        .layer(cors(state.clone()))
        .layer(from_fn(unknown_paths))
        .layer(from_fn_with_state(state.clone(), origin::check))
        .layer(from_fn_with_state(state.clone(), bodies::read))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
        .layer(SetResponseHeaderLayer::if_not_present(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")))
        .layer(from_fn_with_state(state.clone(), observe::observe))
        .with_state(state)
}

/// First path segments that are reserved for routes of this server.
const RESERVED_SEGMENTS: [&str; 7] = ["admin", "api", "media", "socket.io", "web", "ws", "metrics"];

/// Handles paths without a route. Clients of older servers open their WebSocket at paths of their own choice: there the first
/// frame decides the dialect, as it does at `/`.
async fn unrouted(Extract(state): Extract<Arc<State>>, request: Request) -> Response {
    let first_segment = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let is_unreserved = !RESERVED_SEGMENTS.contains(&first_segment) || request.uri().path() == "/ws/";
    if is_unreserved && super::websocket::wants_upgrade(request.headers()) {
        return super::websocket::upgrade.call(request, state).await;
    }
    Failure::from(Error::not_found("page")).into_response()
}

/// The router of a listener that serves only metrics.
pub fn metrics_app(state: Arc<State>) -> Router {
    let (metrics, _) = OpenApiRouter::new().routes(routes!(health::metrics)).split_for_parts();
    compression::compressed(metrics)
        .fallback(async || Failure::from(Error::not_found("page")))
        .layer(from_fn_with_state(state.clone(), bodies::read))
        .with_state(state)
}

/// Answers preflights for unknown paths with 404; the CORS layer alone would allow them.
async fn unknown_paths(request: Request, next: Next) -> Response {
    if request.method() == Method::OPTIONS && request.extensions().get::<MatchedPath>().is_none() {
        return Failure::from(Error::not_found("page")).into_response();
    }
    next.run(request).await
}

/// The routes of the REST API and their OpenAPI document, which is made of the handlers' `utoipa::path` attributes.
fn api(with_metrics: bool) -> (Router<Arc<State>>, OpenApi) {
    let api = OpenApiRouter::with_openapi(openapi::frame());
    let api = if with_metrics { api.routes(routes!(health::metrics)) } else { api };
    api.routes(routes!(auth::sign_up))
        .routes(routes!(auth::log_in))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::log_out))
        .routes(routes!(auth::log_out_everywhere))
        .routes(routes!(auth::change_password))
        .routes(routes!(me::show, me::change, me::delete))
        .routes(routes!(me::find))
        .routes(routes!(blocked::list))
        .routes(routes!(blocked::block, blocked::unblock))
        .routes(routes!(rooms::list, rooms::create))
        .routes(routes!(rooms::messages))
        .routes(routes!(conversations::messages))
        .routes(routes!(conversations::list, conversations::create))
        .routes(routes!(conversations::join))
        .routes(routes!(sessions::list, sessions::create))
        .routes(routes!(sessions::messages))
        .routes(routes!(media::upload))
        .routes(routes!(media::fetch))
        .merge(admin::routes())
        .routes(routes!(server::show))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        // Aliases, which the document leaves out.
        .route("/register", post(auth::sign_up))
        .route("/login", post(auth::log_in))
        .route("/refresh", post(auth::refresh))
        .split_for_parts()
}

fn cors(state: Arc<State>) -> CorsLayer {
    let listed = move |origin: &HeaderValue, _: &Parts| origin::is_listed(&state, origin.as_bytes());
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(listed))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::LINK, header::RETRY_AFTER, observe::REQUEST_ID])
        .allow_credentials(true)
        .max_age(PREFLIGHT_MAX_AGE)
}

/// The token of `Authorization: Bearer …`; empty, and so invalid, if the header has another scheme or occurs twice.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let value = values.next()?.to_str().unwrap_or_default();
    match value.split_once(' ') {
        // With two headers, a proxy on the way may have checked the other one.
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && values.next().is_none() => Some(token.trim()),
        _ => Some(""),
    }
}
