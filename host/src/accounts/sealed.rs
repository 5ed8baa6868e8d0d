//! Sealed tokens: a payload with its HMAC, under a key that is derived from the signing keys. What the database stores is not
//! enough to make one.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::protocol::{AccountId, LoginId};

const MAC_BYTES: usize = 32;
const BLOCK_BYTES: usize = 64;
/// Longer tokens are refused unread.
const MAX_CHARS: usize = 256;

/// What a sealed token is for. A token of one purpose is not valid for another.
#[derive(Clone, Copy)]
enum Purpose {
    Refresh,
    Device,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Refresh => b"refresh token",
            Self::Device => b"device token",
        }
    }
}

/// Derives a sealing key from a signing key's secret half.
pub(super) fn sealing_key(secret: &[u8]) -> [u8; 32] {
    mac(secret, &[b"natterjack: key of sealed tokens"]).finalize().into_bytes().into()
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    // As in RFC 2104: the key is padded to one block, or hashed first if it is longer.
    let mut block = [0; BLOCK_BYTES];
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        None => block[..MAC_BYTES].copy_from_slice(&Sha256::digest(key)),
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac
}

/// Seals tokens with its first key, and opens them with any of its keys.
pub(super) struct Sealer {
    keys: Vec<[u8; 32]>,
}

/// The content of a refresh token: a login, and the number of rotations before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefreshToken {
    pub(super) login: LoginId,
    pub(super) generation: u32,
}

/// The content of a device token: proof of an earlier log-in to the account from this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeviceToken {
    pub(super) account: AccountId,
    pub(super) device: Uuid,
    pub(super) expires: Timestamp,
}

impl Sealer {
    pub(super) fn new(keys: Vec<[u8; 32]>) -> Self {
        Self { keys }
    }

    fn seal(key: &[u8; 32], purpose: Purpose, payload: &[u8]) -> String {
        let tag = mac(key, &[purpose.label(), payload]).finalize().into_bytes();
        BASE64_URL_SAFE_NO_PAD.encode([payload, &tag[..]].concat())
    }

    fn open(&self, purpose: Purpose, token: &str) -> Option<Vec<u8>> {
        if token.len() > MAX_CHARS {
            return None;
        }
        let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
        let tag = bytes.split_off(bytes.len().checked_sub(MAC_BYTES)?);
        let good = |key| mac(key, &[purpose.label(), &bytes]).verify_slice(&tag).is_ok();
        self.keys.iter().any(|key| good(key.as_slice())).then_some(bytes)
    }

    /// The token sealed with every key, first with the one for new tokens.
    pub(super) fn refresh_tokens(&self, token: RefreshToken) -> impl Iterator<Item = String> {
        let payload = [token.login.0.as_bytes().as_slice(), &token.generation.to_be_bytes()].concat();
        self.keys.iter().map(move |key| Self::seal(key, Purpose::Refresh, &payload))
    }

    pub(super) fn refresh_token(&self, token: RefreshToken) -> String {
        self.refresh_tokens(token).next().unwrap_or_default()
    }

    pub(super) fn open_refresh_token(&self, token: &str) -> Option<RefreshToken> {
        let payload = self.open(Purpose::Refresh, token)?;
        let (login, generation) = payload.split_first_chunk::<16>()?;
        let generation = u32::from_be_bytes(generation.try_into().ok()?);
        Some(RefreshToken { login: LoginId(Uuid::from_bytes(*login)), generation })
    }

    pub(super) fn device_token(&self, token: DeviceToken) -> String {
        let parts = [token.account.0.as_bytes().as_slice(), token.device.as_bytes(), &token.expires.0.to_be_bytes()];
        self.keys.first().map(|key| Self::seal(key, Purpose::Device, &parts.concat())).unwrap_or_default()
    }

    pub(super) fn open_device_token(&self, token: &str) -> Option<DeviceToken> {
        let payload = self.open(Purpose::Device, token)?;
        let (account, rest) = payload.split_first_chunk::<16>()?;
        let (device, expires) = rest.split_first_chunk::<16>()?;
        Some(DeviceToken {
            account: AccountId(Uuid::from_bytes(*account)),
            device: Uuid::from_bytes(*device),
            expires: Timestamp(i64::from_be_bytes(expires.try_into().ok()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(secrets: &[&str]) -> Sealer {
        Sealer::new(secrets.iter().map(|secret| sealing_key(secret.as_bytes())).collect())
    }

    #[test]
    fn a_sealed_token_opens_before_and_after_a_key_change() {
        let token = RefreshToken { login: LoginId::new(), generation: 7 };
        let text = sealer(&["old"]).refresh_token(token);
        assert_eq!(sealer(&["old"]).open_refresh_token(&text), Some(token));
        assert_eq!(sealer(&["new", "old"]).open_refresh_token(&text), Some(token));
        assert_eq!(sealer(&["new"]).open_refresh_token(&text), None);
    }

    #[test]
    fn a_changed_token_or_one_of_another_purpose_does_not_open() {
        let sealer = sealer(&["secret"]);
        let token = DeviceToken { account: AccountId::new(), device: Uuid::new_v4(), expires: Timestamp(1) };
        let text = sealer.device_token(token);
        assert_eq!(sealer.open_device_token(&text), Some(token));
        assert_eq!(sealer.open_refresh_token(&text), None);
        for bad in ["", "x", "AAAA", &text[1..], &format!("{text}A"), &text.to_lowercase(), &"A".repeat(100_000)] {
            assert_eq!(sealer.open_device_token(bad), None, "{bad:.40}");
        }
    }
}
