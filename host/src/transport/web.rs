//! Serves the embedded web pages (chat and admin console) with their scripts and styles.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State as Shared};
use axum::handler::Handler as _;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::http::{Failure, State, conditions};
use super::websocket::upgrade;
use crate::error::Error;

/// Allows only resources of this server, and no framing.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// One folder per page, `shared/`, and third-party files.
#[derive(RustEmbed)]
#[folder = "web/"]
struct Pages;

/// The JavaScript client module, which the pages use and which is served to other pages too.
#[derive(RustEmbed)]
#[folder = "../client/src/"]
#[prefix = "client/"]
struct Client;

pub(super) fn pages() -> Router<Arc<State>> {
    Router::new().route("/", get(chat)).route("/admin", get(admin)).route("/web/{*path}", get(asset))
}

/// Serves `/`: the chat page, or a WebSocket if the request asks for an upgrade.
async fn chat(Shared(state): Shared<Arc<State>>, request: Request) -> Response {
    if request.headers().contains_key(header::UPGRADE) {
        return upgrade.call(request, state).await;
    }
    file("chat/index.html", request.headers())
}

async fn admin(headers: HeaderMap) -> Response {
    file("admin/index.html", &headers)
}

async fn asset(Path(path): Path<String>, headers: HeaderMap) -> Response {
    file(&path, &headers)
}

fn file(path: &str, headers: &HeaderMap) -> Response {
    let Some(EmbeddedFile { data, metadata }) = Pages::get(path).or_else(|| Client::get(path)) else {
        return Failure::from(Error::not_found("page")).into_response();
    };
    let tag: String = metadata.sha256_hash()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    // A weak tag: the same file may be sent compressed.
    let tag = format!("W/\"{tag}\"");
    let fresh = conditions::is_known(headers, &tag);
    let status = if fresh { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let body = if fresh { Body::empty() } else { Body::from(data) };
    let headers = [
        (header::CONTENT_TYPE, media_type(path).to_owned()),
        (header::ETAG, tag),
        // Revalidated on every load, so that a page never mixes files of two versions.
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        // Set here, since the compression layer alone sees no text in a 304.
        (header::VARY, "accept-encoding".to_owned()),
        (header::CONTENT_SECURITY_POLICY, CSP.to_owned()),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin".to_owned()),
    ];
    (status, headers, body).into_response()
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}
