//! Keys of tokens: one signs, all of them verify, so that a key can be replaced while tokens of the old one stay valid.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use sha2::{Digest as _, Sha256};

use super::sealed::{Sealer, sealing_key};
use crate::config::{self, AuthKey, KeyAlgorithm};

const KEY_FILE: &str = "jwt.key";
const KEY_BYTES: usize = 48;

/// Why a key cannot be used; the text names the key and says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(String);

pub struct Signing {
    pub kid: String,
    pub algorithm: Algorithm,
    pub encoding: EncodingKey,
}

/// A key that verifies signatures of one algorithm.
pub struct Verifying {
    kid: String,
    pub algorithm: Algorithm,
    pub decoding: DecodingKey,
}

pub struct Keys {
    signing: Signing,
    verifying: Vec<Verifying>,
    /// Id of `jwt_secret`, or of the key generated in its place: it verifies tokens that name no key.
    main: Option<String>,
    /// Sealing keys derived from the secret halves of the keys, that of the signing key first.
    sealing: Vec<[u8; 32]>,
}

/// The two halves of a key; a key that only verifies has no private half.
type Halves = (Option<Private>, Verifying);

struct Private {
    signing: Signing,
    sealing: [u8; 32],
}

impl Keys {
    /// Loads the configured keys. Without a `jwt_secret` uses the key file in `data_dir`, and creates it if it is missing and
    /// no other key signs; returns its path if it was created.
    pub fn load(config: &config::Auth, data_dir: &Path) -> Result<(Self, Option<PathBuf>), KeyError> {
        let explain = |e: std::io::Error| KeyError(e.to_string());
        let (secret, made) = match config.jwt_secret.expose() {
            "" if another_signs(config) => (read_key(&data_dir.join(KEY_FILE)).map_err(explain)?, None),
            "" => load_or_make_key(data_dir).map(|(key, made)| (Some(key), made)).map_err(explain)?,
            secret => (Some(secret.as_bytes().to_vec()), None),
        };
        Ok((Self::assemble(config, secret)?, made))
    }

    /// Checks that the keys can be used; false if the first start has yet to create the key file.
    pub fn look(config: &config::Auth, data_dir: &Path) -> Result<bool, KeyError> {
        let secret = match config.jwt_secret.expose() {
            "" => read_key(&data_dir.join(KEY_FILE)).map_err(|e| KeyError(e.to_string()))?,
            secret => Some(secret.as_bytes().to_vec()),
        };
        let complete = secret.is_some() || another_signs(config);
        let placeholder = || rand::random::<[u8; KEY_BYTES]>().to_vec();
        Self::assemble(config, if complete { secret } else { Some(placeholder()) })?;
        Ok(complete)
    }

    fn assemble(config: &config::Auth, secret: Option<Vec<u8>>) -> Result<Self, KeyError> {
        let mut halves: Vec<(bool, Halves)> = Vec::new();
        let mut main = None;
        if let Some(secret) = secret {
            let kid = hex(&Sha256::digest(&secret)[..4]);
            main = Some(kid.clone());
            halves.push((!another_signs(config), symmetric(&kid, &secret)));
        }
        for key in &config.keys {
            if main.as_deref() == Some(&key.kid) {
                return Err(KeyError(format!(
                    "auth.keys: the kid `{}` is that of jwt_secret; choose another",
                    key.kid
                )));
            }
            let read = read_halves(key).map_err(|why| KeyError(format!("auth.keys: key `{}`: {why}", key.kid)))?;
            halves.push((key.sign, read));
        }
        let mut signing = None;
        let (mut verifying, mut sealing) = (Vec::new(), Vec::new());
        for (signs, (private, public)) in halves {
            verifying.push(public);
            let Some(private) = private else { continue };
            if signs {
                sealing.insert(0, private.sealing);
                signing = Some(private.signing);
            } else {
                sealing.push(private.sealing);
            }
        }
        let signing = signing.ok_or_else(|| KeyError("auth.keys: no key signs".to_owned()))?;
        Ok(Self { signing, verifying, main, sealing })
    }

    /// Keys from a single secret, which signs and verifies.
    pub fn of_secret(secret: &[u8]) -> Self {
        let kid = hex(&Sha256::digest(secret)[..4]);
        let signing =
            Signing { kid: kid.clone(), algorithm: Algorithm::HS256, encoding: EncodingKey::from_secret(secret) };
        let sealing = vec![sealing_key(secret)];
        Self { signing, verifying: vec![symmetric(&kid, secret).1], main: Some(kid), sealing }
    }

    pub(super) fn signing(&self) -> &Signing {
        &self.signing
    }

    /// The sealer for tokens that are not JWTs.
    pub(super) fn sealer(&self) -> Sealer {
        Sealer::new(self.sealing.clone())
    }

    /// The key with this id; without an id, the main key.
    pub(super) fn verifying(&self, kid: Option<&str>) -> Option<&Verifying> {
        let kid = kid.or(self.main.as_deref())?;
        self.verifying.iter().find(|key| key.kid == kid)
    }
}

fn another_signs(config: &config::Auth) -> bool {
    config.keys.iter().any(|key| key.sign)
}

fn symmetric(kid: &str, secret: &[u8]) -> Halves {
    let (kid, algorithm) = (kid.to_owned(), Algorithm::HS256);
    let signing = Signing { kid: kid.clone(), algorithm, encoding: EncodingKey::from_secret(secret) };
    (
        Some(Private { signing, sealing: sealing_key(secret) }),
        Verifying { kid, algorithm, decoding: DecodingKey::from_secret(secret) },
    )
}

fn read_halves(key: &AuthKey) -> Result<Halves, String> {
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let public_half = |public: &ed25519_dalek::VerifyingKey| Verifying {
        kid: key.kid.clone(),
        algorithm: Algorithm::EdDSA,
        decoding: DecodingKey::from_ed_der(public.as_bytes()),
    };
    match (key.algorithm, &key.private_key_file, &key.public_key_file) {
        (KeyAlgorithm::Hs256, ..) => Ok(symmetric(&key.kid, key.secret.expose().as_bytes())),
        (KeyAlgorithm::EdDsa, Some(path), _) => {
            let private = ed25519_dalek::SigningKey::from_pkcs8_pem(read(path)?.trim()).map_err(|_| {
                let path = path.display();
                format!(
                    "{path} is not an Ed25519 private key; `openssl genpkey -algorithm ed25519 -out {path}` makes one"
                )
            })?;
            let der = private.to_pkcs8_der().map_err(|error| error.to_string())?;
            let encoding = EncodingKey::from_ed_der(der.as_bytes());
            let signing = Signing { kid: key.kid.clone(), algorithm: Algorithm::EdDSA, encoding };
            let sealing = sealing_key(&private.to_bytes());
            Ok((Some(Private { signing, sealing }), public_half(&private.verifying_key())))
        }
        (KeyAlgorithm::EdDsa, None, Some(path)) => {
            let public = ed25519_dalek::VerifyingKey::from_public_key_pem(read(path)?.trim()).map_err(|_| {
                format!(
                    "{} is not an Ed25519 public key; `openssl pkey -in PRIVATE -pubout` gives that of a private one",
                    path.display()
                )
            })?;
            Ok((None, public_half(&public)))
        }
        (KeyAlgorithm::EdDsa, None, None) => Err("has neither private_key_file nor public_key_file".to_owned()),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the key file, if there is one.
fn read_key(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let explain = |e: std::io::Error| std::io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().len() >= 32 => Ok(Some(text.trim().as_bytes().to_vec())),
        Ok(_) => {
            let what = "holds no signing key of 32 characters or more; restore it, or remove it to have a new one made \
                (every token ends then)";
            Err(explain(std::io::Error::new(std::io::ErrorKind::InvalidData, what)))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(explain(error)),
    }
}

/// Reads the key file in `folder`, or creates it; with its path if it was created.
fn load_or_make_key(folder: &Path) -> std::io::Result<(Vec<u8>, Option<PathBuf>)> {
    let path = folder.join(KEY_FILE);
    if let Some(key) = read_key(&path)? {
        return Ok((key, None));
    }
    let explain = |e: std::io::Error| std::io::Error::new(e.kind(), format!("{}: {e}", path.display()));
    std::fs::create_dir_all(folder).map_err(explain)?;
    let key = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; KEY_BYTES]>());
    // Written to a temporary file first, so that a crash leaves no partial key behind.
    let mut file = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(explain)?;
    file.write_all(key.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(explain)?;
    match file.persist_noclobber(&path) {
        Ok(_) => Ok((key.into_bytes(), Some(path))),
        // Another process created the key first: use that one.
        Err(lost) if lost.error.kind() == std::io::ErrorKind::AlreadyExists => load_or_make_key(folder),
        Err(lost) => Err(explain(lost.error)),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_key_file_is_created_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let (key, made) = load_or_make_key(folder.path()).unwrap();
        let path = made.unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load_or_make_key(folder.path()).unwrap(), (key, None));
    }

    #[test]
    fn a_damaged_key_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(KEY_FILE), "short").unwrap();
        assert!(load_or_make_key(folder.path()).unwrap_err().to_string().contains("jwt.key"));
    }

    #[test]
    fn no_key_file_is_created_where_another_key_signs() {
        let folder = tempfile::tempdir().unwrap();
        let secret = config::Secret::new("q8Zr0vYw3uTn6sKj1pLm5xCb9dFg2hAe");
        let key = AuthKey { kid: "new".into(), secret, sign: true, ..AuthKey::default() };
        let config = config::Auth { keys: vec![key], ..config::Auth::default() };
        let (keys, made) = Keys::load(&config, folder.path()).unwrap();
        assert_eq!((keys.signing().kid.as_str(), made), ("new", None));
        assert!(!folder.path().join(KEY_FILE).exists());
    }

    #[test]
    fn an_error_about_a_bad_key_file_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ed25519.pem");
        std::fs::write(&path, "not a key").unwrap();
        let private = AuthKey { private_key_file: Some(path.clone()), ..AuthKey::default() };
        let public = AuthKey { public_key_file: Some(path), ..AuthKey::default() };
        for key in [private, public] {
            let key = AuthKey { kid: "ed".into(), algorithm: KeyAlgorithm::EdDsa, ..key };
            let why = read_halves(&key).err().unwrap();
            assert!(why.contains("ed25519.pem") && why.contains("openssl"), "{why}");
        }
    }
}
