use super::*;

#[test]
fn all_faults_are_reported_in_the_order_of_the_file() {
    let text = "[server]\nnme = \"x\"\nlisten = [\"nowhere\", 5]\n\n[auth]\naccess_ttl = 5\nhash_iterations = 0\n\
                [plugin.echo]\ngrants = [\"storage\",\n  \"sudo\"]\n[colour]\nof = \"frogs\"\n";
    assert_eq!(
        faults(text),
        [
            "config.toml:2: server.nme: unknown key; did you mean `name`?",
            "config.toml:3: server.listen: `nowhere` is not an address; wanted an address and a port such as \
             \"127.0.0.1:5000\" or \"[::]:5000\"",
            "config.toml:3: server.listen: is an integer; wanted an address and a port such as \
             \"127.0.0.1:5000\" or \"[::]:5000\"",
            "config.toml:6: auth.access_ttl: is an integer; wanted a duration such as \"30s\", \"5m\", \"24h\" or \"30d\"",
            "config.toml:7: auth.hash_iterations: 0 is out of range; wanted 1 to 100",
            "config.toml:10: plugin.echo.grants: `sudo` is not one of \"storage\", \"accounts\", \"rooms\", \
             \"rooms-admin\", \"messages\", \"passwords\", \"push\", \"timers\", \"http\"",
            "config.toml:11: colour: unknown section; there are: server, tls, database, cluster, auth, cors, dialects, limits, rooms, media, retention, plugins, \
             plugin, metrics, log",
        ]
    );
}

#[test]
fn every_syntax_error_is_reported_once_with_its_line() {
    assert_eq!(
        faults("[server]\nname = \n\n[auth]\nguests = maybe\n"),
        [
            "config.toml:2: string values must be quoted, expected literal string",
            "config.toml:5: string values must be quoted, expected literal string",
        ]
    );
}

#[test]
fn a_duplicate_key_is_reported_at_its_second_line() {
    assert_eq!(
        faults("[server]\nname = \"a\"\nname = \"b\"\n"),
        ["config.toml:3: server.name: is there twice, in line 2 already; wanted it once"]
    );
    for (text, fault) in [
        (
            "[auth]\nguests = true\n[log]\n[auth]\n",
            "config.toml:4: auth: is there twice, in line 1 already; wanted it once",
        ),
        (
            "log.level = \"info\"\nlog.level = \"warn\"\n",
            "config.toml:2: log.level: is there twice, in line 1 already; wanted it once",
        ),
        (
            "[limits]\n# many\nconnections = 1\n\nconnections = 2 # more\n",
            "config.toml:5: limits.connections: is there twice, in line 3 already; wanted it once",
        ),
    ] {
        assert_eq!(faults(text), [fault]);
    }
}

#[test]
fn unquoted_values_are_reported_with_quotes_added() {
    for (text, fault) in [
        ("[auth]\nguests = False\n", "config.toml:2: `False` is no boolean in TOML; wanted false"),
        ("[auth]\nguests = yes # all of them\n", "config.toml:2: `yes` is no boolean in TOML; wanted true"),
        ("[media]\nmax_bytes = 10MB\n", "config.toml:2: `10MB` needs quotes; wanted \"10MB\""),
        ("[limits]\nping_interval = 30s\n", "config.toml:2: `30s` needs quotes; wanted \"30s\""),
    ] {
        assert_eq!(faults(text), [fault]);
    }
}

#[test]
fn common_notations_are_accepted() {
    let config = load(
        "[server]\nlisten = \"localhost:5000\"\ntrusted_proxies = [\"10.0.0.0/255.0.0.0\", \"192.0.2.1\"]\n\
         [database]\nsynchronous = \"Normal\"\n[auth]\nguests = 0\n[media]\nmax_bytes = \"10MB\"\naccount_bytes = \"10 MiB\"\n\
         [plugins]\nmemory_mib = \"1GiB\"\ncall_ms = \"2s\"\n[tls]\nlisten = []\n[dialects.go]\nlisten = [\"*:5001\", \":5002\"]\n",
    );
    let config = config.unwrap();
    assert_eq!(config.server.listen, ["127.0.0.1:5000".parse().unwrap()]);
    assert_eq!(config.server.trusted_proxies, ["10.0.0.0/8".parse().unwrap(), "192.0.2.1/32".parse().unwrap()]);
    assert_eq!(config.database.synchronous, Synchronous::Normal);
    assert!(!config.auth.guests);
    assert_eq!((config.media.max_bytes, config.media.account_bytes), (10_000_000, 10_485_760));
    assert_eq!((config.plugins.memory_mib, config.plugins.call_ms), (1024, 2000));
    assert_eq!(config.dialects.go.listen, ["0.0.0.0:5001".parse().unwrap(), "0.0.0.0:5002".parse().unwrap()]);
}

#[test]
fn missing_and_wrong_units_are_refused() {
    for text in [
        "limits.connections = \"10MB\"",
        "media.max_bytes = \"10 bananas\"",
        "media.max_bytes = \"-1MB\"",
        "plugins.memory_mib = \"10MB\"",
        "plugins.call_ms = \"1us\"",
        "limits.ping_interval = 30",
        "server.listen = [\"example.org:5000\"]",
        "server.listen = [\"localhost\"]",
        "server.listen = [\"http://127.0.0.1:5000\"]",
        "auth.guests = 2",
        "auth.guests = \"yes\"",
    ] {
        assert_eq!(faults(text).len(), 1, "{text}");
    }
}

#[test]
fn a_section_that_is_not_a_table_is_refused() {
    assert_eq!(faults("auth = true"), ["config.toml:1: auth: is a boolean; wanted a table"]);
    assert_eq!(
        faults("[plugin]\nenabled = false"),
        ["config.toml:2: plugin.enabled: is a boolean; wanted a table for a plugin, such as [plugin.word-filter]"]
    );
}

#[test]
fn numbers_out_of_range_are_refused() {
    assert_eq!(
        faults("[database]\nreaders = -1"),
        ["config.toml:2: database.readers: -1 is out of range; wanted 1 to 64"]
    );
    assert_eq!(
        faults("[database]\nreaders = 65"),
        ["config.toml:2: database.readers: 65 is out of range; wanted 1 to 64"]
    );
    assert_eq!(
        faults("[database]\nreaders = 99999999999999999999"),
        ["config.toml:2: database.readers: 99999999999999999999 is out of range; wanted 1 to 64"]
    );
}

#[test]
fn bad_durations_are_refused() {
    assert_eq!(
        faults("[limits]\nping_interval = \"0s\""),
        ["config.toml:2: limits.ping_interval: 0s is out of range; wanted 100ms to 1h"]
    );
    assert!(faults("[limits]\nping_interval = \"soon\"")[0].contains("`soon` is not a duration"));
}

#[test]
fn a_weak_signing_key_is_refused_and_not_repeated() {
    let found = faults("[auth]\njwt_secret = \"hunter2\"");
    assert!(found[0].starts_with("config.toml:2: auth.jwt_secret: is 7 bytes long; wanted at least 32"), "{found:?}");
    assert!(!found[0].contains("hunter2"));
}

#[test]
fn an_unknown_database_is_refused_and_its_password_not_repeated() {
    let found = faults("[database]\nurl = \"mysql://ann:hunter2@db/chat\"");
    assert!(found[0].contains("wanted sqlite:PATH, postgres://"), "{found:?}");
    assert!(!found[0].contains("hunter2"));
}

#[test]
fn origins_are_whole_and_exact() {
    assert_eq!(
        faults("cors.origins = [\"https://chat.example/\"]"),
        [
            "config.toml:1: cors.origins: `https://chat.example/` is not written as browsers do; wanted `https://chat.example`"
        ]
    );
    for no_origin in
        ["chat.example", "Null", "https://", "https://*.example", "://x", "app://", "chrome-extension://a b"]
    {
        let found = faults(&format!("cors.origins = [\"{no_origin}\"]"));
        assert!(found[0].contains("is not an origin"), "{no_origin}: {found:?}");
    }
    for (more, exact) in [
        ("https://Chat.example", "https://chat.example"),
        ("http://localhost:80", "http://localhost"),
        ("file:///tmp", "file://"),
        ("capacitor://localhost/", "capacitor://localhost"),
        ("chrome-extension://ABC", "chrome-extension://abc"),
    ] {
        let wanted = format!("config.toml:1: cors.origins: `{more}` is not written as browsers do; wanted `{exact}`");
        assert_eq!(faults(&format!("cors.origins = [\"{more}\"]")), [wanted]);
    }
}

#[test]
fn public_url_is_an_origin_of_the_web() {
    assert_eq!(
        faults("server.public_url = \"https://chat.example/\""),
        [
            "config.toml:1: server.public_url: `https://chat.example/` is not written as browsers do; wanted `https://chat.example`"
        ]
    );
    for no_url in ["chat.example", "*", "file://", "ws://chat.example"] {
        let found = faults(&format!("server.public_url = \"{no_url}\""));
        assert!(found[0].contains("is not the address of a web site"), "{no_url}: {found:?}");
    }
}

#[test]
fn a_misspelt_log_level_is_not_taken_for_a_module() {
    let found = faults("log.level = \"inof\"");
    assert!(found[0].starts_with("config.toml:1: log.level: `inof` is not a level; wanted one of off,"), "{found:?}");
    assert!(load("log.level = \"info,sqlx=warn,natterjack::hub=trace\"").is_ok());
    assert!(faults("log.level = \"natterjack=loud\"")[0].contains("cannot be read"));
}

#[test]
fn bad_plugin_ids_settings_and_pins_are_refused() {
    assert_eq!(
        faults(
            "[plugin.Word_Filter]\n[plugin.a.settings]\nx = nan\n[plugin.b]\nsha256 = \"beef\"\nsettings = 1\n\
             http_hosts = [\"https://a.example\"]"
        ),
        [
            "config.toml:1: plugin.Word_Filter: is not a plugin id; wanted lower-case words joined by dashes, such as \
             `word-filter`",
            "config.toml:3: plugin.a.settings.x: is NaN; wanted a finite number",
            "config.toml:5: plugin.b.sha256: `beef` is not a SHA-256 of 64 hexadecimal digits (`sha256sum FILE`)",
            "config.toml:6: plugin.b.settings: is an integer; wanted a table",
            "config.toml:7: plugin.b.http_hosts: `https://a.example` is not a host such as \"api.example.org\", \
             \"*.example.org\" for all below it, or \"example.org:8443\"",
        ]
    );
}

#[test]
fn empty_required_values_are_refused() {
    assert_eq!(
        faults("[server]\nname = \" \"\nlisten = []\ndata_dir = \"\""),
        [
            "config.toml:2: server.name: is empty; wanted some text",
            "config.toml:3: server.listen: is empty; wanted at least one",
            "config.toml:4: server.data_dir: is empty; wanted a path",
        ]
    );
}

#[test]
fn contradicting_keys_are_reported_where_one_is_written() {
    assert_eq!(
        faults("[auth]\naccess_ttl = \"60d\"\nhash_parallelism = 4\nhash_memory_kib = 16"),
        [
            "config.toml:2: auth.access_ttl: a refresh token would end before its access token; wanted refresh_ttl ≥ \
             access_ttl",
            "config.toml:4: auth.hash_memory_kib: Argon2id needs 8 KiB a lane; wanted hash_memory_kib ≥ 32 for this \
             hash_parallelism",
        ]
    );
    assert!(faults("limits.outbox_bytes = 5000")[0].contains("outbox_bytes ≥ frame_bytes"));
    assert!(faults("server.listen = [\"[::]:1\", \"[::]:1\"]")[0].contains("[::]:1 is there twice"));
    assert!(faults("rooms.preset = [\"pond\", \"pond\"]")[0].contains("`pond` is there twice"));
}

#[test]
fn a_cluster_requires_nats_addresses_and_postgresql() {
    let nats = "[cluster]\nnats = \"nats://one:4222,tls://two\"\n";
    let fault = faults(nats).remove(0);
    assert!(fault.starts_with("config.toml:2: cluster.nats: nodes of a cluster share a PostgreSQL"), "{fault}");
    let fault = faults("[cluster]\nnats = \"http://one\"\nname = \"a.b\"\n").join("\n");
    assert!(fault.contains("2: cluster.nats: is no address of a NATS server; wanted nats://"), "{fault}");
    assert!(fault.contains("3: cluster.name: `a.b` is no part of a NATS subject"), "{fault}");
    let variables = [("DATABASE_URL", "postgres://localhost/chat")];
    assert!(Config::from_text("config.toml", nats, variables).is_ok());
}
