//! The sections of `config.toml`: every key with its type, its default and its allowed values. The shipped `config.toml`
//! documents for operators what each key does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::key::{choice, lasting, not_blank, section, within};
use super::origins::{allowed_origins, public_url};
use super::secret::{Secret, not_guessable, strong_further_key, strong_key, strong_shared_key};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MIB: usize = 1024 * 1024;

section! {
    /// `[server]`: the process as a whole.
    Server {
        /// The server's name, as clients see it.
        name: String = "Natterjack".to_owned(), not_blank;
        /// Addresses at which it accepts connections.
        listen: Vec<SocketAddr> = vec![(Ipv4Addr::LOCALHOST, 5000).into()], not_empty => restart;
        /// Its public origin, such as `https://chat.example`. Empty: clients use its addresses and `localhost` only.
        public_url: String = String::new(), public_url;
        /// Folder of all files that the server stores, unless another key says otherwise.
        data_dir: PathBuf = "data".into() => restart;
        /// Reverse proxies whose `X-Forwarded-For` or `Forwarded` is trusted: addresses or networks.
        trusted_proxies: Vec<IpNet> = vec![];
        /// Which of the two headers is used.
        forwarded_header: ForwardedHeader = ForwardedHeader::Auto;
        /// How long the server reports that it is not ready before it stops, so that load balancers notice.
        shutdown_delay: Duration = Duration::ZERO, lasting(Duration::ZERO, 10 * MINUTE);
        /// How long stopping may take after that.
        shutdown_timeout: Duration = 10 * SECOND, lasting(Duration::ZERO, 10 * MINUTE);
    }
}

choice! {
    /// The header in which trusted proxies name the client.
    ForwardedHeader {
        /// Whichever is present; neither, if both are and disagree.
        Auto = "auto",
        XForwardedFor = "x-forwarded-for",
        /// RFC 7239.
        Forwarded = "forwarded",
    }
}

section! {
    /// `[tls]`: listeners that speak TLS.
    Tls {
        listen: Vec<SocketAddr> = vec![] => restart;
        /// The certificate chain, in PEM; reloaded when it changes.
        certificate_file: String = String::new() => restart;
        /// The certificate's private key, in PEM.
        key_file: String = String::new() => restart;
    }
}

choice! {
    /// When SQLite syncs to disk.
    Synchronous {
        /// At every commit: acknowledged writes survive a loss of power.
        Full = "full",
        /// At checkpoints: acknowledged writes survive a crash of the process, but not a loss of power.
        Normal = "normal",
    }
}

section! {
    /// `[database]`: where everything is stored.
    Database {
        /// `sqlite:PATH` or `postgres://…`; it may hold a password. Empty: `natterjack.db` under the data folder.
        url: Secret = Secret::default(), database_url => restart;
        /// SQLite only.
        synchronous: Synchronous = Synchronous::Full => restart;
        /// Number of connections for reading.
        readers: u32 = 4, within(1..=64) => restart;
    }
}

section! {
    /// `[cluster]`: nodes that together act as one server.
    Cluster {
        /// NATS servers, `nats://…` or `tls://…`, several with commas between; they may hold a password. Empty: this is the
        /// only node.
        nats: Secret = Secret::default(), nats_urls => restart;
        /// Name of the cluster, the same on all its nodes, for several clusters that share a NATS.
        name: String = "natterjack".to_owned(), subject_word => restart;
        /// Name of this node. Empty: the machine's name.
        node: String = String::new() => restart;
        /// Whether the contents of this node's plugins folder are distributed to all nodes.
        distribute: bool = false => restart;
    }
}

impl Cluster {
    /// The name of this node.
    pub fn node_name(&self) -> String {
        if !self.node.is_empty() {
            return self.node.clone();
        }
        nix::unistd::gethostname().map_or_else(|_| "node".to_owned(), |name| name.to_string_lossy().into_owned())
    }
}

section! {
    /// `[auth]`: accounts, tokens and guests.
    Auth {
        /// Secret that signs tokens. Empty: one is generated at the first start and kept under the data folder.
        jwt_secret: Secret = Secret::default(), strong_key => restart;
        /// Further keys: to replace one by another, or to sign with Ed25519.
        keys: Vec<AuthKey> = vec![], usable_keys => restart;
        /// Another issuer whose tokens are accepted.
        external: External = External::default() => restart;
        access_ttl: Duration = DAY, lasting(SECOND, 365 * DAY) => restart;
        refresh_ttl: Duration = 30 * DAY, lasting(SECOND, 3650 * DAY);
        /// Whether people may chat without an account.
        guests: bool = true;
        /// Whether a token in a URL (`?token=…`) is accepted.
        query_tokens: bool = false;
        /// The shortest new password, in characters.
        min_password_chars: usize = 1, within(1..=1000);
        /// How often the logins of live connections are rechecked.
        recheck_interval: Duration = 5 * SECOND, lasting(SECOND / 10, HOUR) => restart;
        /// Argon2id's memory for one hash, in KiB.
        hash_memory_kib: u32 = 19_456, within(8..=4_194_304) => restart;
        /// Argon2id's passes.
        hash_iterations: u32 = 2, within(1..=100) => restart;
        /// Argon2id's lanes.
        hash_parallelism: u32 = 1, within(1..=64) => restart;
        /// The most passwords that are hashed at a time.
        hash_concurrency: usize = 2, within(1..=256) => restart;
    }
}

section! {
    /// `[auth.external]`: another issuer of tokens, whose users have no password here.
    External {
        /// Name of the issuer, which identifies its accounts and must be its tokens' `iss` if they have one. Empty: no such tokens.
        issuer: String = String::new(), issuer_name;
        /// Secret that it signs with. Empty: the same as `jwt_secret`.
        secret: Secret = Secret::default(), strong_shared_key;
        /// Audience that its tokens' `aud` must contain. Empty: they must have none.
        audience: String = String::new();
        /// Claim with the account's id. Empty: `sub`, or else `id`, `userId` or `_id`.
        id_claim: String = String::new();
    }
}

choice! {
    /// The algorithm of a key.
    KeyAlgorithm {
        /// With a shared secret.
        Hs256 = "HS256",
        /// With an Ed25519 key pair.
        EdDsa = "EdDSA",
    }
}

section! {
    /// `[[auth.keys]]`: a further key of tokens.
    AuthKey {
        /// The key's id in the header of tokens.
        kid: String = String::new(), not_blank;
        algorithm: KeyAlgorithm = KeyAlgorithm::Hs256;
        /// HS256's secret.
        secret: Secret = Secret::default(), strong_further_key;
        /// EdDSA's key, in PEM (PKCS #8).
        private_key_file: Option<PathBuf> = None;
        /// EdDSA's public key, for a key that only verifies, in PEM (SPKI).
        public_key_file: Option<PathBuf> = None;
        /// Whether new tokens are signed with it, instead of with `jwt_secret`.
        sign: bool = false;
    }
}

section! {
    /// `[cors]`: which web pages may connect.
    Cors {
        /// Origins such as `https://chat.example`; also `null`, `file://`, those of applications, and `*` for all.
        origins: Vec<String> = vec![], allowed_origins;
    }
}

choice! {
    /// Who receives a message.
    Echo {
        /// All members, including the sender.
        All = "all",
        Others = "others",
    }
}

section! {
    /// `[dialects]`: dialects of older servers' clients. Every listener accepts all of them; a dialect that a client can announce
    /// neither by its path nor by its first frame needs a listener of its own.
    Dialects {
        groups: GroupsDialect = GroupsDialect::default();
        direct: PlainDialect = PlainDialect::default();
        rooms: PlainDialect = PlainDialect::default();
        go: PlainDialect = PlainDialect::default();
    }
}

section! {
    /// `[dialects.NAME]`, for those without settings of their own.
    PlainDialect {
        /// Addresses at which clients use this dialect from the first frame on.
        listen: Vec<SocketAddr> = vec![] => restart;
    }
}

section! {
    /// `[dialects.groups]`.
    GroupsDialect {
        listen: Vec<SocketAddr> = vec![] => restart;
        /// Who receives a message.
        echo: Echo = Echo::All;
        /// Whether a failed log-in reveals that the name is unknown.
        reveal_unknown_users: bool = false;
    }
}

section! {
    /// `[limits]`: limits of one connection, one address or one account.
    Limits {
        /// How many connections there may be at a time …
        connections: usize = 50_000, within(1..=10_000_000);
        /// … from one address, unless it is the machine's own …
        connections_per_address: usize = 500, within(1..=10_000_000);
        /// … and of one account.
        connections_per_account: usize = 50, within(1..=10_000_000);
        /// How long a client may take over a TLS handshake, over a request's headers, and to begin with its body.
        request_timeout: Duration = 10 * SECOND, lasting(SECOND / 10, 10 * MINUTE);
        frame_bytes: usize = 65_536, within(1024..=16 * MIB) => restart;
        // The upper bound keeps messages within the words that PostgreSQL can index.
        message_chars: usize = 4000, within(1..=100_000);
        /// How long a connection may take to identify itself.
        connect_timeout: Duration = 10 * SECOND, lasting(SECOND / 10, 10 * MINUTE) => restart;
        ping_interval: Duration = 30 * SECOND, lasting(SECOND / 10, HOUR) => restart;
        /// What may wait for a slow client, by number …
        outbox_frames: usize = 1024, within(1..=1_000_000);
        /// … and by size.
        outbox_bytes: usize = 4 * MIB, within(4096..=1024 * MIB);
        /// Commands of one account, over all its connections and REST: at once …
        command_burst: u32 = 200, within(1..=1_000_000);
        /// … and as a steady rate.
        commands_per_second: u32 = 20, within(1..=1_000_000);
        /// The same for all guests and unauthenticated clients of one address together.
        address_command_burst: u32 = 2000, within(1..=10_000_000);
        address_commands_per_second: u32 = 200, within(1..=10_000_000);
        /// How many refused commands close a connection.
        refusals_before_close: u32 = 1000, within(1..=1_000_000);
        /// Sign-ups, failed log-ins and failed refreshes from one address: at once …
        attempts_burst: u32 = 30, within(1..=1_000_000);
        /// … and as a steady rate.
        attempts_per_minute: u32 = 10, within(1..=1_000_000);
        /// Failed logins to one account from one address …
        failed_logins_per_minute: u32 = 10, within(1..=1_000_000);
        /// … and from all addresses together; does not apply to devices from which somebody logged in to the account before.
        failed_logins_per_account_per_minute: u32 = 100, within(1..=1_000_000);
        /// Wrong passwords for one room, by one account or one guest's address.
        wrong_room_passwords_per_minute: u32 = 5, within(1..=1_000_000);
        /// The most existing rooms that one account may have made …
        rooms_per_account: u32 = 100, within(1..=10_000_000);
        /// … the most sessions …
        sessions_per_account: u32 = 1000, within(1..=10_000_000);
        /// … and the most direct conversations that it may have begun.
        direct_rooms_per_account: u32 = 1000, within(1..=10_000_000);
        /// The most rooms that guests from one address may have made …
        guest_rooms_per_address: u32 = 20, within(1..=10_000_000);
        /// … and all guests together.
        guest_rooms: u32 = 1000, within(1..=10_000_000);
        /// The most rooms, sessions and direct conversations that may be made from one address within an hour.
        creations_per_address_per_hour: u32 = 1000, within(1..=10_000_000);
        /// The most accounts that one account may block.
        blocked_per_account: u32 = 1000, within(1..=1_000_000);
        /// Addresses and networks that are exempt from the limits of one address.
        exempt: Vec<IpNet> = vec![];
    }
}

section! {
    /// `[rooms]`.
    Rooms {
        /// Rooms that exist from the start.
        preset: Vec<String> = vec!["lobby".to_owned()], room_names => restart;
        /// How long an empty room that a guest made is kept; zero keeps it for good.
        guest_rooms_ttl: Duration = DAY, lasting(Duration::ZERO, 3650 * DAY);
    }
}

section! {
    /// `[media]`: files that people upload.
    Media {
        /// The size of the largest file.
        max_bytes: usize = 10 * MIB, within(1024..=1024 * MIB);
        /// The most bytes that one account may store.
        account_bytes: usize = 1024 * MIB, within(1024..=1024 * 1024 * MIB);
        /// The most files that one account may store.
        account_files: u32 = 10_000, within(1..=10_000_000);
        /// How long a file is kept that no message has attached.
        unused_ttl: Duration = DAY, lasting(SECOND, 365 * DAY);
    }
}

section! {
    /// `[retention]`: how long rooms' logs are kept.
    Retention {
        /// Older entries are removed; zero keeps them for good.
        max_age: Duration = Duration::ZERO, lasting(Duration::ZERO, 36_500 * DAY);
        /// The number of a room's latest messages that are kept; zero keeps all of them.
        max_messages: u32 = 0, within(0..=1_000_000_000);
        /// How long lines of the audit log are kept; zero keeps them for good.
        audit_max_age: Duration = 365 * DAY, lasting(Duration::ZERO, 36_500 * DAY);
        /// How often retention runs.
        interval: Duration = 10 * MINUTE, lasting(SECOND / 10, DAY);
    }
}

section! {
    /// `[metrics]`: who may read `/metrics`.
    Metrics {
        /// Addresses that serve only metrics; the other listeners then serve none.
        listen: Vec<SocketAddr> = vec![] => restart;
        /// Token that is required as `Authorization: Bearer …`. Empty: none.
        token: Secret = Secret::default(), not_guessable;
    }
}

choice! {
    /// How log lines look.
    LogFormat {
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

section! {
    /// `[log]`.
    Log {
        /// A level, or directives such as `info,sqlx=warn`.
        level: String = "info".to_owned(), log_level;
        format: LogFormat = LogFormat::Text => restart;
    }
}

fn usable_keys(keys: &[AuthKey]) -> Result<(), String> {
    for (index, key) in keys.iter().enumerate() {
        let AuthKey { kid, algorithm, secret, private_key_file, public_key_file, sign } = key;
        let given = [!secret.is_empty(), private_key_file.is_some(), public_key_file.is_some()];
        let wrong = match algorithm {
            _ if kid.is_empty() => return Err(format!("key {} has no kid; wanted a name for it", index + 1)),
            _ if keys[..index].iter().any(|other| other.kid == *kid) => "is there twice",
            KeyAlgorithm::Hs256 if given != [true, false, false] => "HS256 has `secret`, and no files",
            KeyAlgorithm::EdDsa if given != [false, true, false] && given != [false, false, true] => {
                "EdDSA has either `private_key_file` or `public_key_file`, and no `secret`"
            }
            _ if *sign && public_key_file.is_some() => "a public key cannot sign; wanted `private_key_file`",
            _ if *sign && keys[..index].iter().any(|other| other.sign) => "another key signs already; wanted one",
            _ => continue,
        };
        return Err(format!("key `{kid}`: {wrong}"));
    }
    Ok(())
}

fn issuer_name(issuer: &str) -> Result<(), String> {
    if issuer == crate::name::OUR_ISSUER {
        return Err(format!("`{issuer}` is the issuer of this server's own tokens; wanted the other issuer's name"));
    }
    if issuer.chars().count() > 100
        || issuer.chars().any(|c| c == '@' || crate::name::is_misleading(c) || c.is_whitespace())
    {
        return Err(format!(
            "`{issuer}` cannot be shown in names; wanted 100 characters at the most, no @ and no blanks"
        ));
    }
    Ok(())
}

fn not_empty<T>(items: &[T]) -> Result<(), String> {
    if items.is_empty() { Err("is empty; wanted at least one".to_owned()) } else { Ok(()) }
}

fn database_url(url: &Secret) -> Result<(), String> {
    let known = ["sqlite:", "postgres:", "postgresql:"];
    if url.is_empty() || known.iter().any(|scheme| url.expose().starts_with(scheme)) {
        return Ok(());
    }
    Err("is no database this server knows; wanted sqlite:PATH, postgres://USER:PASSWORD@HOST/NAME, or nothing"
        .to_owned())
}

fn nats_urls(urls: &Secret) -> Result<(), String> {
    // Not shown: they may hold passwords.
    let known = |url: &str| {
        let parsed = url::Url::parse(url.trim()).ok();
        parsed.is_some_and(|url| matches!(url.scheme(), "nats" | "tls") && url.has_host())
    };
    match urls.is_empty() || urls.expose().split(',').all(known) {
        true => Ok(()),
        false => {
            Err("is no address of a NATS server; wanted nats://HOST:4222 or tls://HOST:4222, several with commas \
                      between, or nothing"
                .to_owned())
        }
    }
}

fn subject_word(word: &str) -> Result<(), String> {
    let fits = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if fits { Ok(()) } else { Err(format!("`{word}` is no part of a NATS subject; wanted letters, digits, - and _")) }
}

fn room_names(names: &[String]) -> Result<(), String> {
    for (index, name) in names.iter().enumerate() {
        not_blank(name)?;
        if names[..index].contains(name) {
            return Err(format!("`{name}` is there twice"));
        }
    }
    Ok(())
}

fn log_level(directives: &str) -> Result<(), String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    if directives.trim().is_empty() {
        return Err(format!("is empty; wanted one of {}, or MODULE=LEVEL", LEVELS.join(", ")));
    }
    // A lone word that is no level is parsed as a module name, which turns off all other logs.
    let typo = directives
        .split(',')
        .map(str::trim)
        .find(|part| !part.contains(['=', '[', ':']) && !LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part)));
    if let Some(word) = typo {
        return Err(format!("`{word}` is not a level; wanted one of {}, or MODULE=LEVEL", LEVELS.join(", ")));
    }
    match tracing_subscriber::EnvFilter::try_new(directives) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("`{directives}` cannot be read ({error}); wanted a level, or MODULE=LEVEL, …")),
    }
}
