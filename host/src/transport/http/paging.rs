//! Pages of lists that older clients expect as bare arrays: the next page is in the header `Link`.

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

/// A page of items, with a `Link` header (RFC 8288) that has the given relation and address.
pub(super) fn paged(items: Vec<Value>, link: Option<(&str, String)>) -> Response {
    let mut response = axum::Json(items).into_response();
    let link = link.map(|(relation, address)| format!("<{address}>; rel=\"{relation}\""));
    if let Some(Ok(link)) = link.map(HeaderValue::try_from) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}
