//! Password hashing: argon2id, off the async threads, and never more at a time than configured. Imported hashes, by argon2
//! with other settings or by bcrypt, can be verified too.
//!
//! Passwords are hashed in Unicode's composed form (NFC), since keyboards differ in what they send for one character. Older
//! hashes were made from the password as it was sent, so that is tried first.

mod queue;

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::{OnceCell, oneshot};
use unicode_normalization::UnicodeNormalization as _;

use self::queue::Queue;
pub use self::queue::Share;
use crate::config;
use crate::error::{Error, Result};

/// The longest password, in bytes; longer ones only cost memory.
pub const MAX_BYTES: usize = 1024;
/// The most that checking an argon2 hash may cost (KiB, passes, lanes), unless the settings allow more. A hash sets its own
/// cost, and plugins provide hashes too.
const MAX_COST: (u32, u32, u32) = (65_536, 16, 8);
/// The highest cost factor of a bcrypt hash; each step doubles the work.
const MAX_BCRYPT_COST: u32 = 14;

/// The result of checking a password against a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, but the hash was not made with the current algorithm and settings.
    Outdated,
}

/// A parsed hash.
enum Stored {
    Argon2 { parsed: Box<PasswordHash>, current: bool },
    Bcrypt,
}

impl Stored {
    fn parse(hash: &str, own: &Params) -> Result<Self> {
        let too_costly = || Error::invalid("hash", "costs more than this server spends on one");
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix)) {
            let parts: bcrypt::HashParts = hash.parse().map_err(|_| Error::invalid("hash", "is not a bcrypt hash"))?;
            return if parts.get_cost() > MAX_BCRYPT_COST { Err(too_costly()) } else { Ok(Self::Bcrypt) };
        }
        let wanted = "is not a hash that this server can verify; wanted $argon2id$…, or $2a$…, $2b$… or $2y$… (bcrypt)";
        let parsed = PasswordHash::new(hash).map_err(|_| Error::invalid("hash", wanted))?;
        Algorithm::new(parsed.algorithm.as_str()).map_err(|_| Error::invalid("hash", wanted))?;
        let cost = Params::try_from(&parsed).map_err(|error| Error::invalid("hash", error.to_string()))?;
        let (memory, passes, lanes) = MAX_COST;
        if cost.m_cost() > memory.max(own.m_cost())
            || cost.t_cost() > passes.max(own.t_cost())
            || cost.p_cost() > lanes.max(own.p_cost())
        {
            return Err(too_costly());
        }
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        let current = parsed.algorithm.as_str() == Algorithm::Argon2id.as_str()
            && parsed.version == Some(Version::V0x13.into())
            && costs(&cost) == costs(own);
        Ok(Self::Argon2 { parsed: parsed.into(), current })
    }
}

/// Hashes passwords and checks them.
pub struct PasswordHasher {
    argon2: Argon2<'static>,
    queue: Arc<Queue>,
    /// Checked where there is no account, so that an unknown name takes as long as a wrong password.
    decoy: OnceCell<String>,
}

impl PasswordHasher {
    pub fn new(config: &config::Auth) -> Result<Self> {
        let params = Params::new(config.hash_memory_kib, config.hash_iterations, config.hash_parallelism, None)
            .map_err(|e| Error::invalid("auth.hash_*", e.to_string()))?;
        Ok(Self {
            argon2: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            queue: Queue::new(config.hash_concurrency)?,
            decoy: OnceCell::new(),
        })
    }

    /// Hashes a password to a PHC string: algorithm, cost, salt and hash.
    pub async fn hash(&self, password: String) -> Result<String> {
        self.hash_in(Share::LogIns, password).await
    }

    /// Like [`Self::hash`], in this share of the queue.
    pub async fn hash_in(&self, share: Share, password: String) -> Result<String> {
        check_length(&password)?;
        let argon2 = self.argon2.clone();
        self.off_thread(share, move || {
            let password: String = password.nfc().collect();
            Ok(argon2.hash_password(password.as_bytes()).map_err(Error::internal)?.to_string())
        })
        .await
    }

    /// Whether `hash` is a hash of `password`, in this share of the queue.
    pub async fn verify_in(&self, share: Share, password: String, hash: String) -> Result<bool> {
        Ok(self.check_in(share, password, hash).await? != Verdict::Wrong)
    }

    /// Whether `hash` is a hash of `password`, and whether it was made with the current settings.
    pub async fn check(&self, password: String, hash: String) -> Result<Verdict> {
        self.check_in(Share::LogIns, password, hash).await
    }

    async fn check_in(&self, share: Share, password: String, hash: String) -> Result<Verdict> {
        check_length(&password)?;
        let argon2 = self.argon2.clone();
        self.off_thread(share, move || {
            let stored = Stored::parse(&hash, argon2.params())?;
            let composed: String = password.nfc().collect();
            match check_one(&argon2, &stored, &password, &hash)? {
                // The hash was made from the uncomposed spelling, by an older version.
                Verdict::Right if composed != password => Ok(Verdict::Outdated),
                Verdict::Wrong if composed != password => check_one(&argon2, &stored, &composed, &hash),
                verdict => Ok(verdict),
            }
        })
        .await
    }

    /// Fails if passwords cannot be checked against an imported hash.
    pub fn check_hash(&self, hash: &str) -> Result<()> {
        Stored::parse(hash, self.argon2.params()).map(|_| ())
    }

    /// Takes as long as checking a password, for accounts that do not exist.
    pub async fn check_decoy(&self, password: String) -> Result<()> {
        let decoy = self.decoy.get_or_try_init(|| self.hash("no account has this".into())).await?;
        self.check(password, decoy.clone()).await.map(|_| ())
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        share: Share,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (done, result) = oneshot::channel();
        self.queue.push(share, move || {
            if !done.is_closed() {
                let _ = done.send(work());
            }
        })?;
        result.await.map_err(Error::internal)?
    }
}

fn check_one(argon2: &Argon2<'static>, stored: &Stored, password: &str, hash: &str) -> Result<Verdict> {
    match stored {
        Stored::Bcrypt => match bcrypt::verify(password, hash) {
            Ok(true) => Ok(Verdict::Outdated),
            Ok(false) => Ok(Verdict::Wrong),
            Err(error) => Err(Error::invalid("hash", error.to_string())),
        },
        Stored::Argon2 { parsed, current } => match argon2.verify_password(password.as_bytes(), &**parsed) {
            Ok(()) if *current => Ok(Verdict::Right),
            Ok(()) => Ok(Verdict::Outdated),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
            Err(error) => Err(Error::invalid("hash", error.to_string())),
        },
    }
}

fn check_length(password: &str) -> Result<()> {
    match password.len() {
        0 => Err(Error::invalid("password", "must not be empty")),
        1..=MAX_BYTES => Ok(()),
        _ => Err(Error::TooLarge { what: "password", limit: format!("{MAX_BYTES} bytes") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> PasswordHasher {
        let config = config::Auth { hash_memory_kib: 8, hash_iterations: 1, ..config::Auth::default() };
        PasswordHasher::new(&config).unwrap()
    }

    #[tokio::test]
    async fn a_hash_matches_its_own_password_only() {
        let hasher = cheap();
        let hash = hasher.hash("open sesame".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert_eq!(hasher.check("open sesame".into(), hash.clone()).await, Ok(Verdict::Right));
        assert_eq!(hasher.check("open simsim".into(), hash).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn a_hash_that_costs_too_much_is_refused() {
        let dear = "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21l$MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI";
        let verdict = cheap().check("x".into(), dear.into()).await;
        assert_eq!(verdict.unwrap_err().code(), "invalid");
    }

    #[tokio::test]
    async fn a_malformed_hash_is_an_error_and_not_a_wrong_password() {
        let verdict = cheap().check("x".into(), "x".into()).await;
        assert_eq!(verdict.unwrap_err().code(), "invalid");
    }

    #[tokio::test]
    async fn a_hash_with_other_settings_matches_and_is_outdated() {
        let costly = config::Auth { hash_memory_kib: 16, hash_iterations: 2, ..config::Auth::default() };
        let hash = PasswordHasher::new(&costly).unwrap().hash("open sesame".into()).await.unwrap();
        assert_eq!(cheap().check("open sesame".into(), hash.clone()).await, Ok(Verdict::Outdated));
        assert_eq!(cheap().check("open simsim".into(), hash).await, Ok(Verdict::Wrong));
        let own = cheap().hash("open sesame".into()).await.unwrap();
        assert_eq!(cheap().check("open sesame".into(), own).await, Ok(Verdict::Right));
    }

    #[tokio::test]
    async fn bcrypt_hashes_match_and_are_outdated() {
        let hash = bcrypt::hash("open sesame", 4).unwrap();
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let hash = hash.replace("$2b$", prefix);
            assert_eq!(cheap().check_hash(&hash), Ok(()));
            assert_eq!(cheap().check("open sesame".into(), hash.clone()).await, Ok(Verdict::Outdated), "{prefix}");
            assert_eq!(cheap().check("open simsim".into(), hash).await, Ok(Verdict::Wrong), "{prefix}");
        }
        let dear = hash.replace("$04$", "$15$");
        for bad in [dear.as_str(), "$2b$04$short", "$1$md5", "plain", "", "$scrypt$ln=1$c2FsdHNhbHQ$aGFzaGhhc2g"] {
            assert_eq!(cheap().check_hash(bad).unwrap_err().code(), "invalid", "{bad}");
        }
    }

    #[tokio::test]
    async fn a_password_matches_in_composed_and_decomposed_spelling() {
        let (composed, decomposed) = ("pässwörd", "pa\u{308}sswo\u{308}rd");
        let hash = cheap().hash(decomposed.into()).await.unwrap();
        assert_eq!(cheap().check(composed.into(), hash.clone()).await, Ok(Verdict::Right));
        assert_eq!(cheap().check(decomposed.into(), hash.clone()).await, Ok(Verdict::Right));
        assert_eq!(cheap().check("passwörd".into(), hash).await, Ok(Verdict::Wrong));
        let raw = cheap().argon2.hash_password(decomposed.as_bytes()).unwrap().to_string();
        assert_eq!(cheap().check(decomposed.into(), raw.clone()).await, Ok(Verdict::Outdated), "to be made anew");
        assert_eq!(cheap().check(composed.into(), raw).await, Ok(Verdict::Wrong));
    }

    #[tokio::test]
    async fn password_length_is_checked_before_composition() {
        let error = cheap().hash("\u{FDFA}".repeat(MAX_BYTES)).await.unwrap_err();
        assert_eq!(error.code(), "too_large");
    }
}
