use super::*;

/// Files with one fault each, and the whole error text (`…`: its beginning).
const WRONG_FILES: &[(&str, &str)] = &[
    // Numbers.
    ("media.max_bytes = -1", "1: media.max_bytes: -1 is out of range; wanted 1024 to 1073741824 (1 KiB to 1 GiB)"),
    (
        "media.max_bytes = 5_000_000_000",
        "1: media.max_bytes: 5000000000 is out of range; wanted 1024 to 1073741824 (1 KiB to 1 GiB)",
    ),
    (
        "media.max_bytes = \"10GB\"",
        "1: media.max_bytes: `10GB` is out of range; wanted 1024 to 1073741824 (1 KiB to 1 GiB)",
    ),
    (
        "media.max_bytes = \"-1MB\"",
        "1: media.max_bytes: `-1MB` is negative; wanted bytes such as 65536, \"64KiB\" or \"10MB\"",
    ),
    ("media.max_bytes = \"\"", "1: media.max_bytes: is empty; wanted bytes such as 65536, \"64KiB\" or \"10MB\""),
    ("media.max_bytes = 1e7", "1: media.max_bytes: is a float; wanted an integer"),
    ("media.max_bytes = [1024]", "1: media.max_bytes: is an array; wanted an integer"),
    ("media.account_files = 99999999999", "1: media.account_files: 99999999999 is out of range; wanted 1 to 10000000"),
    ("database.readers = 0", "1: database.readers: 0 is out of range; wanted 1 to 64"),
    (
        "database.readers = -9223372036854775809",
        "1: database.readers: -9223372036854775809 is out of range; wanted 1 to 64",
    ),
    ("limits.connections = \"100\"", "1: limits.connections: is a string; wanted an integer, 100 without quotes"),
    ("limits.connections = \"many\"", "1: limits.connections: is a string; wanted an integer"),
    ("limits.connections = true", "1: limits.connections: is a boolean; wanted an integer"),
    ("limits.commands_per_second = -5", "1: limits.commands_per_second: -5 is out of range; wanted 1 to 1000000"),
    ("plugins.memory_mib = 0", "1: plugins.memory_mib: 0 is out of range; wanted 1 to 4096 (1 MiB to 4 GiB)"),
    ("plugins.call_ms = -1", "1: plugins.call_ms: -1 is out of range; wanted 1 to 60000"),
    ("auth.hash_memory_kib = 1", "1: auth.hash_memory_kib: 1 is out of range; wanted 8 to 4194304 (8 KiB to 4 GiB)"),
    (
        "plugin.echo.order = 9999999999",
        "1: plugin.echo.order: 9999999999 is out of range; wanted -2147483648 to 2147483647",
    ),
    ("plugin.echo.limits.filter_ms = -1", "1: plugin.echo.limits.filter_ms: -1 is out of range; wanted 1 to 1000"),
    (
        "plugin.echo.settings.x = 9223372036854775808",
        "1: plugin.echo.settings.x: 9223372036854775808 is out of range; wanted -9223372036854775808 to 9223372036854775807",
    ),
    // Durations.
    (
        "limits.ping_interval = -1",
        "1: limits.ping_interval: is an integer; wanted a duration such as \"30s\", \"5m\", \"24h\" or \"30d\"",
    ),
    (
        "limits.ping_interval = \"-5s\"",
        "1: limits.ping_interval: `-5s` is negative; wanted a duration such as \"30s\", \"5m\", \"24h\" or \"30d\"",
    ),
    (
        "limits.ping_interval = \"\"",
        "1: limits.ping_interval: is empty; wanted a duration such as \"30s\", \"5m\", \"24h\" or \"30d\"",
    ),
    (
        "limits.ping_interval = \"30\"",
        "1: limits.ping_interval: `30` has no unit; wanted a duration such as \"30s\", \"5m\", \"24h\" or \"30d\"",
    ),
    ("limits.ping_interval = \"2h\"", "1: limits.ping_interval: 2h is out of range; wanted 100ms to 1h"),
    // Words, booleans, text, paths.
    ("auth.guests = \"no\"", "1: auth.guests: is a string; wanted true or false, without quotes"),
    ("auth.guests = 2", "1: auth.guests: is an integer; wanted true or false"),
    ("log.format = \"xml\"", "1: log.format: `xml` is not one of \"text\", \"json\""),
    ("log.format = \"\"", "1: log.format: is empty; wanted one of \"text\", \"json\""),
    ("log.level = \"\"", "1: log.level: is empty; wanted one of off, error, warn, info, debug, trace, or MODULE=LEVEL"),
    ("log.level = 3", "1: log.level: is an integer; wanted a string"),
    ("server.name = 5", "1: server.name: is an integer; wanted a string"),
    ("server.data_dir = []", "1: server.data_dir: is an array; wanted a path"),
    // Addresses.
    (
        "server.listen = 5000",
        "1: server.listen: is an integer; wanted an address and a port such as \"127.0.0.1:5000\" or \"[::]:5000\"",
    ),
    (
        "server.listen = [\"127.0.0.1\"]",
        "1: server.listen: `127.0.0.1` is not an address; wanted an address and a port such as \"127.0.0.1:5000\" or \"[::]:5000\"",
    ),
    (
        "server.listen = [\"127.0.0.1:99999\"]",
        "1: server.listen: `127.0.0.1:99999` is not an address; wanted an address and a port such as \"127.0.0.1:5000\" or \"[::]:5000\"",
    ),
    (
        "limits.exempt = [\"10.0.0.0/33\"]",
        "1: limits.exempt: `10.0.0.0/33` is no network; wanted an address or a network such as \"10.0.0.1\" or \"10.0.0.0/8\"",
    ),
    // Addresses of web sites.
    (
        "server.public_url = \"HTTPS://Chat.Example:443\"",
        "1: server.public_url: `HTTPS://Chat.Example:443` is not written as browsers do; wanted `https://chat.example`",
    ),
    (
        "server.public_url = \"https://chat.example/rooms?x\"",
        "1: server.public_url: `https://chat.example/rooms?x` is not written as browsers do; wanted `https://chat.example`",
    ),
    (
        "server.public_url = \"chat.example\"",
        "1: server.public_url: `chat.example` is not the address of a web site; wanted one such as `https://chat.example`",
    ),
    (
        "server.public_url = \"https://b\u{fc}cher.example\"",
        "1: server.public_url: `https://b\u{fc}cher.example` is not written as browsers do; wanted `https://xn--bcher-kva.example`",
    ),
    (
        "cors.origins = [\"HTTP://LocalHost:80/\"]",
        "1: cors.origins: `HTTP://LocalHost:80/` is not written as browsers do; wanted `http://localhost`",
    ),
    (
        "cors.origins = [\"Capacitor://localhost\"]",
        "1: cors.origins: `Capacitor://localhost` is not written as browsers do; wanted `capacitor://localhost`",
    ),
    (
        "cors.origins = \" https://chat.example\"",
        "1: cors.origins: ` https://chat.example` is not written as browsers do; wanted `https://chat.example`",
    ),
    // Secrets and keys.
    (
        "[[auth.keys]]\nkid = \"a\"\nsecret = \"short\"",
        "3: auth.keys.secret: is 5 bytes long; wanted at least 32 random bytes (`openssl rand -base64 48`)",
    ),
    (
        "[[auth.keys]]\nkid = 5\nsecret = \"q8Zr0vYw3uTn6sKj1pLm5xCb9dFg2hAe\"",
        "2: auth.keys.kid: is an integer; wanted a string",
    ),
    (
        "[[auth.keys]]\nkid = \"a\"\nalgorithm = \"RS256\"",
        "3: auth.keys.algorithm: `RS256` is not one of \"HS256\", \"EdDSA\"",
    ),
    ("[auth.keys]\nkid = \"a\"", "1: auth.keys: is one table; wanted a list of them, as [[auth.keys]]"),
    (
        "[auth]\njwt_secret = \"short\"\n[auth.external]\nissuer = \"others\"",
        "2: auth.jwt_secret: is 5 bytes long; wanted at least 32 random bytes (`openssl rand -base64 48`), or nothing to have one made",
    ),
    (
        "[cluster]\nnats = \"nats://a\"\n[database]\nurl = \"postgre://a/b\"",
        "4: database.url: is no database this server knows; wanted sqlite:PATH, postgres://USER:PASSWORD@HOST/NAME, or nothing",
    ),
    ("[tls]\ncertificate_file = \"cert.pem\"\nkey_file = 5", "3: tls.key_file: is an integer; wanted a string"),
    // Places and names.
    ("[Server]", "1: Server: unknown section; did you mean `server`?"),
    ("[SERVER]", "1: SERVER: unknown section; did you mean `server`?"),
    ("[server]\nLISTEN = []", "2: server.LISTEN: unknown key; did you mean `listen`?"),
    ("[server]\npublic-url = \"\"", "2: server.public-url: unknown key; did you mean `public_url`?"),
    ("[server]\njwt_secret = \"x\"", "2: server.jwt_secret: unknown key here; did you mean `auth.jwt_secret`?"),
    ("max_bytes = 5", "1: max_bytes: unknown key here; did you mean `media.max_bytes`?"),
    ("[server.tls]\nlisten = []", "1: server.tls: unknown key here; did you mean [tls]?"),
    ("[external]\nissuer = \"x\"", "1: external: unknown section here; did you mean [auth.external]?"),
    (
        "[plugins.word-filter]\nenabled = true",
        "1: plugins.word-filter: unknown key; plugins have tables of their own, wanted [plugin.word-filter]",
    ),
    (
        "[plugin]\nfolder = \"x\"",
        "2: plugin.folder: is a string; wanted a table for a plugin, or did you mean `plugins.folder`?",
    ),
    (
        "[plugin.word-filter]\nwords = []",
        "2: plugin.word-filter.words: unknown key; there are: enabled, order, on_fault, grants, http_hosts, allow_private, sha256, limits, settings; a plugin's own settings stand in [plugin.word-filter.settings]",
    ),
    ("[[server]]\nname = \"x\"", "1: server: is a list of tables; wanted one, as [server]"),
    ("rooms.preset = [\"a\", 5]", "1: rooms.preset: is an integer; wanted a string"),
    // Invalid TOML is reported alone.
    ("[server\nname = \"x\"\n[auht]\n", "1: unclosed table, expected `]`"),
    ("[server]\nname = \"x\n[auth]\nguest = 1\n", "2: invalid basic string, expected `\"`"),
    ("[server]\nlisten = [\"a\"\n[auth]\nguests = true\n", "2: listen: is a list that is not closed; wanted `]`"),
    ("[cors]\norigins = [\n\"null\"\n\"*\"\n]\n", "4: missing comma between array elements, expected `,`"),
    ("[server]\nname \"x\"\nnme = 5\n", "2: key with no value, expected `=`"),
    ("[media]\nmax_bytes = 10MB\nmin_bytes = 5\n", "2: `10MB` needs quotes; wanted \"10MB\""),
    ("[log]\nlevel = 'info\nformat = \"x\"\n", "2: invalid literal string, expected `'`"),
    ("[server]]\nnme = 5", "1: unexpected key or value, expected newline, `#`"),
    ("= 5\n[log]\nlevl = 5\n", "1: …"),
    ("[]\n[log]\nlevl = 5\n", "1: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`"),
    ("server: 5\nname: x\n", "1: …"),
    ("{\"server\": {}}", "1: invalid key-value pair, expected key"),
    ("[server]\nname = \"\\q\"\n", "2: missing escaped value, expected …"),
    ("name = \"\"\"\nx\n[log]\nlevl = 5\n", "1: text of several lines that is not closed; wanted its quotes again"),
];

#[test]
fn each_wrong_file_gets_one_message_that_says_what_is_right() {
    let wrong: Vec<String> = WRONG_FILES
        .iter()
        .filter_map(|(text, told)| {
            let said = load(text).err().map(|faults| faults.to_string()).unwrap_or_else(|| "nothing".to_owned());
            let fits = match told.strip_suffix('…') {
                Some(begins) => said.starts_with(&format!("config.toml:{begins}")) && !said.contains('\n'),
                None => said == format!("config.toml:{told}"),
            };
            (!fits).then(|| format!("{text}\n  said   {said}\n  wanted config.toml:{told}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), WRONG_FILES.len(), wrong.join("\n"));
}
