//! The subset of XMPP over WebSocket (RFC 7395) for a guest in a group chat, for comparison with other servers.

use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue, header};

/// The domain that the server must have.
const DOMAIN: &str = "localhost";

pub(super) fn subprotocol() -> (HeaderName, HeaderValue) {
    (header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("xmpp"))
}

/// The stanzas of a log-in, and what each answer contains.
pub(super) fn login() -> [(String, &'static str); 4] {
    let open = format!("<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{DOMAIN}' version='1.0'/>");
    let auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>";
    let bind = "<iq xmlns='jabber:client' type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    [(open.clone(), "features>"), (auth.to_owned(), "<success"), (open, "features>"), (bind.to_owned(), "<jid>")]
}

/// The stanza to enter a room, and what its answer contains: the subject comes last, after all occupants.
pub(super) fn enter(room: &str, name: &str) -> (String, &'static str) {
    let presence = format!(
        "<presence xmlns='jabber:client' to='{room}@conference.{DOMAIN}/{name}'>\
         <x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x></presence>"
    );
    (presence, "<subject")
}

pub(super) fn message(room: &str, text: &str) -> String {
    format!(
        "<message xmlns='jabber:client' type='groupchat' to='{room}@conference.{DOMAIN}'><body>{text}</body></message>"
    )
}
