//! Properties of the decoders for any input. A unit test of the host checks them on the corpus and on generated frames;
//! `cargo xtask fuzz` searches for inputs that reach new code.

use natterjack::dialect::{
    Dialect, direct as direct_dialect, go as go_dialect, groups as groups_dialect, native as native_dialect,
    rooms as rooms_dialect, sessions as sessions_dialect,
};
use natterjack::error::Error;

pub fn native(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Err((_, error)) = native_dialect::decode(text) {
        assert_client_error(text, &error);
    }
}

pub fn direct(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Err(error) = direct_dialect::decode(text) {
        assert_client_error(text, &error);
    }
}

pub fn go(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Err(error) = go_dialect::decode(text) {
        assert_client_error(text, &error);
    }
}

pub fn groups(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let (_, Err(error)) = groups_dialect::decode(text) {
        assert_client_error(text, &error);
    }
}

pub fn rooms(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let (_, Err(error)) = rooms_dialect::decode(text) {
        assert_client_error(text, &error);
    }
}

pub fn sessions(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let (_, Err(error)) = sessions_dialect::decode(text) {
        assert_client_error(text, &error);
    }
}

/// The input as a frame's text; also feeds it to the dialect detection of first frames.
fn text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let _ = Dialect::of_first_frame(text);
    Some(text)
}

fn assert_client_error(text: &str, error: &Error) {
    assert!(["bad_request", "invalid", "too_large"].contains(&error.code()), "{error:?} for {text}");
    let said = error.to_string();
    assert!(!said.is_empty() && !said.contains("struct "), "{said} for {text}");
}
