//! Lists that older clients know as bare arrays: a page of them, and beside it where to go on.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

/// One page, with the address of the one after it, or before it, in the header `Link` (RFC 8288).
pub(super) fn paged(items: Vec<Value>, link: Option<(&str, String)>) -> Response {
    let mut response = axum::Json(items).into_response();
    let link = link.map(|(relation, address)| format!("<{address}>; rel=\"{relation}\""));
    if let Some(Ok(link)) = link.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}
