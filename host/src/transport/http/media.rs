//! REST routes to upload files for messages, and to fetch files by their secret address.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::bodies;
use super::conditions::{self, Wanted};
use super::extract::{Authorized, Path, Query};
use super::{Answer, Failure, State};
use crate::dialect::native::file_json;
use crate::error::Error;
use crate::media::is_shown;
use crate::protocol::MediaId;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Named {
    /// The name of the file.
    name: Option<String>,
}

/// An attachment; a picture that is not stored on this server has only `url`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Attached {
    id: Option<Uuid>,
    name: Option<String>,
    r#type: Option<String>,
    size: Option<u64>,
    /// Where to fetch it; a picture within the message is a `data:` URL.
    url: String,
}

/// A file, as `file_json` writes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct File {
    /// The id to use in a post's `attachments`.
    id: Uuid,
    name: String,
    /// Detected from its contents, such as `image/png`.
    r#type: String,
    /// In bytes.
    size: u64,
    /// Where to fetch it.
    url: String,
}

/// Upload a file, to be attached to a message; the body is the file
#[utoipa::path(post, path = "/api/media", tag = "media", security(("token" = [])), operation_id = "upload_file", params(Named), request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses((status = 201, body = File)))]
pub(super) async fn upload(
    Shared(state): Shared<Arc<State>>,
    Authorized(identity): Authorized,
    Query(Named { name }): Query<Named>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    state.media.check_size(bodies::content_length(&headers).unwrap_or(0))?;
    let file = state.media.store(identity.account.id, name.as_deref(), body.into_data_stream()).await?;
    Ok((StatusCode::CREATED, axum::Json(file_json(&file))).into_response())
}

/// Fetch a file, or with `Range` one part of it; no token is needed, since pages load pictures without one: the address is the secret
#[utoipa::path(get, path = "/media/{id}", tag = "media", operation_id = "fetch_file", params(("id" = Uuid, Path, description = "The file's id"), ("Range" = Option<String>, Header, description = "One range of bytes, such as `bytes=0-99`; anything else asks for the whole")), responses((status = 200, content_type = "*/*", body = Vec<u8>), (status = 206, description = "The part that was asked for", content_type = "*/*", body = Vec<u8>), (status = 304, description = "The client's copy is current"), (status = 416, description = "The file ends before that part", body = super::openapi::Problem)))]
pub(super) async fn fetch(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    method: Method,
    asked: HeaderMap,
) -> Answer {
    let id: MediaId = id.parse().map_err(|_| Error::not_found("file"))?;
    let (file, contents) = state.media.open(id).await?;
    let shown = is_shown(&file.media_type);
    let disposition = if shown { "inline" } else { "attachment" };
    let disposition = format!("{disposition}; filename*=UTF-8''{}", percent_encoded(&file.name));
    let tag = format!("\"{id}\"");
    let wanted = match method {
        Method::GET => conditions::wanted(&asked, &tag, file.size),
        _ => Wanted::Whole,
    };
    let known = conditions::is_known(&asked, &tag);
    let (status, range) = match wanted {
        _ if known => (StatusCode::NOT_MODIFIED, 0..0),
        Wanted::Whole => (StatusCode::OK, 0..file.size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Beyond => {
            let range = HeaderValue::try_from(format!("bytes */{}", file.size)).map_err(Error::internal)?;
            let error = Error::invalid("Range", format!("should begin within the file, which has {} bytes", file.size));
            return Err(Failure::with_status(StatusCode::RANGE_NOT_SATISFIABLE, error)
                .with_header(header::CONTENT_RANGE, range));
        }
    };
    let mut named = vec![
        (header::ETAG, tag),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        // A file never changes, and shared caches must not store it.
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable".to_owned()),
    ];
    if !known {
        named.extend([
            (header::CONTENT_TYPE, file.media_type),
            (header::CONTENT_LENGTH, (range.end - range.start).to_string()),
            (header::CONTENT_DISPOSITION, disposition),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
        ]);
    }
    if status == StatusCode::PARTIAL_CONTENT {
        named.push((header::CONTENT_RANGE, format!("bytes {}-{}/{}", range.start, range.end - 1, file.size)));
    }
    let body = if known { Body::empty() } else { Body::from_stream(contents.read(range)) };
    let mut response = (status, body).into_response();
    for (name, value) in named {
        let value = HeaderValue::try_from(value).map_err(|error| Error::internal(format_args!("{name}: {error}")))?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// Encodes a file name as RFC 8187 requires.
fn percent_encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
