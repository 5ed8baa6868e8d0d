//! Files: sent up to be attached to messages, and fetched by whoever knows their address.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::extract::{Authorized, Path, Query};
use super::{Answer, State};
use crate::dialect::native::file_json;
use crate::error::Error;
use crate::media::is_shown;
use crate::protocol::MediaId;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Named {
    /// What the file is called.
    name: Option<String>,
}

/// Something attached: of a picture that is not kept here there is the address alone.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct Attached {
    id: Option<Uuid>,
    name: Option<String>,
    r#type: Option<String>,
    size: Option<u64>,
    /// Where it can be fetched; a picture within the message is a `data:` URL.
    url: String,
}

/// A file, as `file_json` writes it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it documents a shape")]
pub(super) struct File {
    /// What a post's `attachments` name it by.
    id: Uuid,
    name: String,
    /// As its bytes say, such as `image/png`.
    r#type: String,
    /// In bytes.
    size: u64,
    /// Where it can be fetched.
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
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    state.media.check_size(announced.unwrap_or(0))?;
    let file = state.media.store(identity.account.id, name.as_deref(), body.into_data_stream()).await?;
    Ok((StatusCode::CREATED, axum::Json(file_json(&file))).into_response())
}

/// Fetch a file; no token is asked for, since a page shows pictures without one: the address is the secret
#[utoipa::path(get, path = "/media/{id}", tag = "media", operation_id = "fetch_file", params(("id" = Uuid, Path, description = "The file's id")), responses((status = 200, content_type = "*/*", body = Vec<u8>)))]
pub(super) async fn fetch(Shared(state): Shared<Arc<State>>, Path(id): Path<String>) -> Answer {
    let id: MediaId = id.parse().map_err(|_| Error::not_found("file"))?;
    let (file, bytes) = state.media.open(id).await?;
    let shown = is_shown(&file.media_type);
    let disposition = if shown { "inline" } else { "attachment" };
    let disposition = format!("{disposition}; filename*=UTF-8''{}", percent_encoded(&file.name));
    let mut response = Body::from_stream(bytes).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, file.media_type),
        (header::CONTENT_LENGTH, file.size.to_string()),
        (header::CONTENT_DISPOSITION, disposition),
        // It never changes, and is nobody else's.
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ] {
        let value = HeaderValue::try_from(value).map_err(|error| Error::internal(format_args!("{name}: {error}")))?;
        headers.insert(name, value);
    }
    Ok(response)
}

/// As RFC 8187 wants a file's name.
fn percent_encoded(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
