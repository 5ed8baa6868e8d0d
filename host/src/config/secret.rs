//! Text that is never shown or logged.

use std::fmt;

use super::fault::Faults;
use super::key::{At, Difference, Key};
use super::show::Shown;

const HIDDEN: &str = "<hidden>";

/// Text that `Debug`, `Display` and `--print-config` show as `<hidden>`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for use, never for logs.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Key for Secret {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        String::read(at, faults).map(Self)
    }

    fn show(&self) -> Option<Shown> {
        // An empty secret is shown as such.
        Some(if self.is_empty() { "" } else { HIDDEN }.into())
    }

    fn differences(&self, new: &Self, key: &str, found: &mut Vec<Difference>) {
        if self != new {
            found.push(Difference { key: key.to_owned(), from: Some(self.logged()), to: Some(new.logged()) });
        }
    }
}

impl Secret {
    /// The secret as the log shows it: a URL without user and password, and nothing of any other text.
    fn logged(&self) -> String {
        let address = |text: &str| {
            let mut url = url::Url::parse(text.trim()).ok()?;
            let known = matches!(url.scheme(), "postgres" | "postgresql" | "nats" | "tls");
            if !known || !url.has_host() {
                return None;
            }
            // Fails only for addresses without a host. A user name alone may be a token.
            let hidden = url.password().is_some() || !url.username().is_empty();
            let _ = url.set_password(None).and_then(|()| url.set_username(""));
            url.set_query(None);
            Some(if hidden { url.to_string().replacen("://", &format!("://{HIDDEN}@"), 1) } else { url.to_string() })
        };
        let logged = match self.0.split_once(':') {
            _ if self.is_empty() => Some(String::new()),
            // A file has no password.
            Some(("sqlite", _)) => Some(self.0.clone()),
            _ => self.0.split(',').map(address).collect::<Option<Vec<_>>>().map(|all| all.join(",")),
        };
        format!("\"{}\"", logged.as_deref().unwrap_or(HIDDEN))
    }
}

/// Secrets in sample files and tutorials, without separators.
const WELL_KNOWN_SECRETS: [&str; 10] = [
    "secret",
    "password",
    "jwtsecret",
    "mysecret",
    "supersecret",
    "yoursecret",
    "yourjwtsecret",
    "yoursecretkey",
    "your256bitsecret",
    "defaultsecret",
];

/// A check: a signing key is long enough not to be guessed, and not a well-known sample.
pub(super) fn strong_key(secret: &Secret) -> Result<(), String> {
    strong(secret, ", or nothing to have one made")
}

/// [`strong_key`] for a further key, which must not be empty.
pub(super) fn strong_further_key(secret: &Secret) -> Result<(), String> {
    strong(secret, "")
}

/// [`strong_key`] for a key that another issuer signs with.
pub(super) fn strong_shared_key(secret: &Secret) -> Result<(), String> {
    strong(secret, ", or nothing if it is auth.jwt_secret")
}

/// Checks a signing key; `otherwise` is the error text's part about what happens without one.
fn strong(secret: &Secret, otherwise: &str) -> Result<(), String> {
    let text = secret.expose();
    if text.is_empty() {
        return Ok(());
    }
    let plain: String = text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let advice = format!("wanted at least 32 random bytes (`openssl rand -base64 48`){otherwise}");
    let stem = plain.trim_end_matches("here").trim_end_matches("key");
    if plain.starts_with("changeme")
        || WELL_KNOWN_SECRETS.contains(&plain.as_str())
        || WELL_KNOWN_SECRETS.contains(&stem)
    {
        return Err(format!("is a well-known sample value that anybody can sign tokens with; {advice}"));
    }
    if text.len() < 32 {
        return Err(format!("is {} bytes long; {advice}", text.len()));
    }
    Ok(())
}

/// A check: a token that only programs send is long enough not to be guessed.
pub(super) fn not_guessable(secret: &Secret) -> Result<(), String> {
    match secret.expose().len() {
        0 | 16.. => Ok(()),
        bytes => Err(format!("is {bytes} bytes long; wanted at least 16 (`openssl rand -hex 16`), or nothing")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_never_shown() {
        let secret = Secret::new("0123456789abcdef0123456789abcdef");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "<hidden> <hidden> Some(<hidden>)");
    }

    #[test]
    fn long_sample_secrets_are_refused() {
        for sample in ["secret", "CHANGEME", "change-me-change-me-change-me-change-me", "your_jwt_secret_key_here"] {
            let why = strong_key(&Secret::new(sample)).unwrap_err();
            assert!(why.contains("well-known"), "{sample}: {why}");
        }
    }

    #[test]
    fn short_secret_is_refused_with_its_length_but_not_its_text() {
        let why = strong_key(&Secret::new("hunter2hunter2")).unwrap_err();
        assert!(why.contains("14 bytes") && !why.contains("hunter2"), "{why}");
        assert_eq!(strong_key(&Secret::new("q8Zr0vYw3uTn6sKj1pLm5xCb9dFg2hAe")), Ok(()));
        assert_eq!(strong_key(&Secret::default()), Ok(()));
    }
}
