//! The OpenAPI document of the REST API, and the page that shows it.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, header};
use axum::routing::get;
use bytes::Bytes;
use serde::Serialize;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Content, OpenApi, Ref, ResponseBuilder};
use utoipa::{OpenApi as _, ToSchema};

use super::State;

/// Allows only the script and style of this server.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// The body of every error.
#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
    error: Details,
}

#[derive(Serialize, ToSchema)]
struct Details {
    /// For programs.
    code: Code,
    /// For people.
    message: String,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it documents the values of `Error::code`")]
enum Code {
    BadRequest,
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    Invalid,
    RateLimited,
    TooLarge,
    Rejected,
    PluginFailed,
    Unavailable,
    Internal,
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Natterjack", description = "A chat server. Live chat is spoken over WebSocket, at /ws/native."),
    components(schemas(Problem))
)]
struct Frame;

/// The document without routes.
pub(super) fn frame() -> OpenApi {
    let mut document = Frame::openapi();
    let token = SecurityScheme::Http(Http::builder().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build());
    if let Some(components) = &mut document.components {
        components.add_security_scheme("token", token);
    }
    document
}

/// The document and the page that shows it.
pub(super) fn pages(mut document: OpenApi) -> Router<Arc<State>> {
    complete(&mut document);
    // Serialising plain data cannot fail, and the test below would notice an empty document.
    let json = Bytes::from(serde_json::to_vec(&document).unwrap_or_default());
    let file = |kind: &'static str, text: &'static str| {
        let policy = HeaderName::from_static("content-security-policy");
        get(async move || ([(header::CONTENT_TYPE, kind), (policy, CSP)], text))
    };
    Router::new()
        .route("/api/openapi.json", get(async move || ([(header::CONTENT_TYPE, "application/json")], json)))
        .route("/api/docs", file("text/html; charset=utf-8", include_str!("openapi/page.html")))
        .route("/api/docs.js", file("text/javascript; charset=utf-8", include_str!("openapi/page.js")))
        .route("/api/docs.css", file("text/css; charset=utf-8", include_str!("openapi/page.css")))
}

/// Adds the errors that are common to all operations, and to those with a body, a token or a path parameter.
fn complete(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let named = path.contains('{');
        for operation in operations(item) {
            let secured = operation.security.is_some();
            let errors = [
                ("400", true, "Malformed, out of range, or taken"),
                ("401", secured, "No token, or one that is not valid any more"),
                ("403", secured, "Not allowed"),
                ("404", named, "Not found"),
                ("413", operation.request_body.is_some(), "Too large"),
                ("415", operation.request_body.is_some(), "Of another media type, or compressed"),
                ("429", true, "Too many requests; Retry-After says when to try again"),
                ("500", true, "Internal error; the server's log has the reason"),
                ("503", true, "Unavailable at the moment"),
            ];
            for (status, _, what) in errors.into_iter().filter(|(_, applies, _)| *applies) {
                let problem = Content::new(Some(Ref::from_schema_name("Problem")));
                let response = ResponseBuilder::new().description(what).content("application/json", problem).build();
                operation.responses.responses.entry(status.to_owned()).or_insert(response.into());
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.patch, &mut item.put, &mut item.delete].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    fn document() -> Value {
        let (_, mut document) = super::super::api(true);
        complete(&mut document);
        serde_json::to_value(&document).unwrap()
    }

    #[test]
    fn undocumented_routes_are_only_sockets_aliases_and_pages() {
        // Every other route is added by `routes!`, which documents it.
        let sources = [include_str!("../http.rs"), include_str!("openapi.rs"), include_str!("../web.rs")];
        let plain: BTreeSet<&str> = sources
            .iter()
            .flat_map(|source| source.split(".route(\"").skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|path| path.starts_with('/'))
            .collect();
        let sockets = ["/ws", "/ws/native", "/ws/go", "/ws/rooms", "/ws/direct", "/ws/groups"];
        let aliases = ["/register", "/login", "/refresh"];
        let pages = ["/api/openapi.json", "/api/docs", "/api/docs.js", "/api/docs.css", "/", "/admin", "/web/{*path}"];
        assert_eq!(plain, [&sockets[..], &aliases, &pages].concat().into_iter().collect());
    }

    #[test]
    fn every_operation_documents_its_summary_id_and_errors() {
        let document = document();
        let mut ids = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let place = format!("{method} {path}");
                assert!(operation["summary"].is_string() && operation["tags"][0].is_string(), "{place}");
                assert!(ids.insert(operation["operationId"].to_string()), "{place}: its operationId is used twice");
                let responses = operation["responses"].as_object().unwrap();
                assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
                assert!(responses.contains_key("400") && responses.contains_key("503"), "{place}");
                assert_eq!(operation.get("security").is_some(), needs_token(path), "{place}");
                assert_eq!(
                    responses.contains_key("404"),
                    path.contains('{') || ["/api/users", "/api/messages"].contains(&path.as_str()),
                    "{place}"
                );
            }
        }
    }

    fn needs_token(path: &str) -> bool {
        let open = ["/api/auth/signup", "/api/auth/login", "/api/auth/refresh"];
        let server = ["/api/server", "/healthz", "/readyz", "/metrics"];
        ![&open[..], &server].concat().contains(&path) && !path.starts_with("/media/")
    }
}
