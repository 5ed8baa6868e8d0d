use super::*;

#[test]
fn any_key_can_be_set_by_a_variable() {
    let config = with_variables(&[
        ("NATTERJACK__SERVER__NAME", "Pond"),
        ("NATTERJACK__AUTH__GUESTS", "false"),
        ("NATTERJACK__DATABASE__READERS", "2"),
        ("NATTERJACK__LIMITS__PING_INTERVAL", "\"5s\""),
        ("NATTERJACK__SERVER__LISTEN", r#"["127.0.0.1:1", "127.0.0.1:2"]"#),
        ("NATTERJACK__PLUGIN__WORD_FILTER__ENABLED", "false"),
        ("NATTERJACK__PLUGIN__WORD_FILTER__GRANTS", "storage,rooms-admin"),
        ("NATTERJACK__PLUGIN__WORD_FILTER__SETTINGS", "{ words = ['darn'] }"),
        ("HOME", "/root"),
    ])
    .unwrap();
    assert_eq!(config.server.name, "Pond");
    assert!(!config.auth.guests);
    assert_eq!(config.database.readers, 2);
    assert_eq!(config.limits.ping_interval, Duration::from_secs(5));
    assert_eq!(config.server.listen.len(), 2);
    let filter = config.plugin_of("word-filter");
    assert!(!filter.enabled);
    assert_eq!(filter.grants, [Grant::Storage, Grant::RoomsAdmin]);
    assert_eq!(filter.settings.0, serde_json::json!({ "words": ["darn"] }));
}

#[test]
fn variables_override_single_keys_of_the_file() {
    let text = "[plugin.a]\norder = 7\nsettings = { x = 1, y = 1 }\n[server]\nname = \"File\"";
    let variables = [("NATTERJACK__PLUGIN__A__SETTINGS__Y", "2"), ("NATTERJACK__SERVER__NAME", "Variable")];
    let config = Config::from_text("config.toml", text, variables).unwrap();
    assert_eq!(config.server.name, "Variable");
    assert_eq!(config.plugin_of("a").order, 7);
    assert_eq!(config.plugin_of("a").settings.0, serde_json::json!({ "x": 1, "y": 2 }));
}

#[test]
fn text_that_looks_like_a_number_is_still_text() {
    assert_eq!(with_variables(&[("NATTERJACK__SERVER__NAME", "5000")]).unwrap().server.name, "5000");
    let digits = "12345678901234567890123456789012345";
    let config = with_variables(&[("NATTERJACK__AUTH__JWT_SECRET", digits)]).unwrap();
    assert_eq!(config.auth.jwt_secret.expose(), digits);
}

#[test]
fn plain_variables_set_their_keys() {
    let config = with_variables(&[
        ("PORT", "8080"),
        ("DATABASE_URL", "sqlite:chat.db"),
        ("JWT_SECRET", "q8Zr0vYw3uTn6sKj1pLm5xCb9dFg2hAe"),
        ("CORS_ORIGIN", "https://a.example, https://b.example"),
    ])
    .unwrap();
    assert_eq!(config.server.listen, ["127.0.0.1:8080".parse().unwrap()]);
    assert_eq!(config.database.url.expose(), "sqlite:chat.db");
    assert_eq!(config.auth.jwt_secret.expose().len(), 32);
    assert_eq!(config.cors.origins, ["https://a.example", "https://b.example"]);
}

#[test]
fn empty_plain_variables_are_ignored() {
    let empty = ["PORT", "DATABASE_URL", "JWT_SECRET", "CORS_ORIGIN"].map(|name| (name, ""));
    assert_eq!(with_variables(&empty).unwrap(), Config::default());
}

#[test]
fn prefixed_variable_overrides_the_plain_one() {
    let config =
        with_variables(&[("NATTERJACK__DATABASE__URL", "sqlite:long.db"), ("DATABASE_URL", "sqlite:plain.db")]);
    assert_eq!(config.unwrap().database.url.expose(), "sqlite:long.db");
}

#[test]
fn faults_name_the_variable() {
    assert_eq!(
        faults_of_variable("NATTERJACK__AUTH__GUESTS", "perhaps"),
        "NATTERJACK__AUTH__GUESTS: auth.guests: is a string; wanted true or false"
    );
    assert_eq!(
        faults_of_variable("NATTERJACK__AUHT__GUESTS", "true"),
        "NATTERJACK__AUHT__GUESTS: auht: unknown section; did you mean `auth`?"
    );
    assert_eq!(
        faults_of_variable("NATTERJACK__GUESTS", "true"),
        "NATTERJACK__GUESTS: names no key; did you mean `NATTERJACK__AUTH__GUESTS`?"
    );
    assert_eq!(faults_of_variable("PORT", "70000"), "PORT: server.listen: `70000` is not a port; wanted 0 to 65535");
    assert!(faults_of_variable("JWT_SECRET", "changeme").starts_with("JWT_SECRET: auth.jwt_secret: is a well-known"));
}

#[test]
fn empty_means_unset_for_every_type() {
    let keys = [
        "SERVER__NAME",
        "SERVER__LISTEN",
        "SERVER__DATA_DIR",
        "SERVER__TRUSTED_PROXIES",
        "DATABASE__URL",
        "DATABASE__SYNCHRONOUS",
        "DATABASE__READERS",
        "AUTH__GUESTS",
        "AUTH__ACCESS_TTL",
        "AUTH__JWT_SECRET",
        "MEDIA__MAX_BYTES",
        "CORS__ORIGINS",
        "PLUGIN__ECHO__SHA256",
        "PLUGIN__ECHO__SETTINGS",
    ];
    for empty in ["", "  ", "\n"] {
        let variables: Vec<(String, String)> =
            keys.iter().map(|key| (format!("NATTERJACK__{key}"), empty.to_owned())).collect();
        assert_eq!(Config::from_text("config.toml", "", variables).unwrap(), Config::default());
    }
    // Empty text is text.
    let text = "[database]\nurl = \"sqlite:file.db\"\n";
    let config = Config::from_text("config.toml", text, [("NATTERJACK__DATABASE__URL", "\"\"")]).unwrap();
    assert!(config.database.url.is_empty());
}

#[test]
fn booleans_are_written_in_many_ways() {
    for (written, means) in [
        ("true", true),
        ("True", true),
        ("TRUE", true),
        ("1", true),
        ("yes", true),
        ("on", true),
        (" true\n", true),
        ("false", false),
        ("False", false),
        ("FALSE", false),
        ("0", false),
        ("No", false),
        ("OFF", false),
    ] {
        let config = with_variables(&[("NATTERJACK__AUTH__GUESTS", written)]);
        assert_eq!(config.unwrap_or_else(|faults| panic!("{written}: {faults}")).auth.guests, means, "{written}");
    }
    for written in ["2", "-1", "t", "truee", "null", "[true]"] {
        assert!(with_variables(&[("NATTERJACK__AUTH__GUESTS", written)]).is_err(), "{written}");
    }
}

#[test]
fn numbers_sizes_words_and_lists_are_written_in_many_ways() {
    let config = with_variables(&[
        ("NATTERJACK__DATABASE__READERS", " 2\n"),
        ("NATTERJACK__DATABASE__SYNCHRONOUS", "NORMAL"),
        ("NATTERJACK__MEDIA__MAX_BYTES", "10 MiB"),
        ("NATTERJACK__AUTH__HASH_MEMORY_KIB", "32MiB"),
        ("NATTERJACK__LIMITS__PING_INTERVAL", "5s"),
        ("NATTERJACK__SERVER__LISTEN", "localhost:1, [::]:2"),
        ("NATTERJACK__ROOMS__PRESET", "2026"),
    ]);
    let config = config.unwrap();
    assert_eq!(config.database.readers, 2);
    assert_eq!(config.database.synchronous, Synchronous::Normal);
    assert_eq!((config.media.max_bytes, config.auth.hash_memory_kib), (10 << 20, 32 << 10));
    assert_eq!(config.limits.ping_interval, Duration::from_secs(5));
    assert_eq!(config.server.listen, ["127.0.0.1:1".parse().unwrap(), "[::]:2".parse().unwrap()]);
    assert_eq!(config.rooms.preset, ["2026"]);
}

#[test]
fn misspelt_variable_is_a_fault_with_a_suggestion() {
    for (name, suggested) in [
        ("NATTERJACK_AUTH_GUESTS", "NATTERJACK__AUTH__GUESTS"),
        ("NATTERJACK_AUTH__GUESTS", "NATTERJACK__AUTH__GUESTS"),
        ("NATTERJACK_GUESTS", "NATTERJACK__AUTH__GUESTS"),
        ("natterjack__auth__guests", "NATTERJACK__AUTH__GUESTS"),
        ("NATTERJACK_DATABASE_URL", "NATTERJACK__DATABASE__URL"),
        ("NATTERJACK_AUTH_EXTERNAL_ID_CLAIM", "NATTERJACK__AUTH__EXTERNAL__ID_CLAIM"),
        ("NATTERJACK_LIMITS_CONECTIONS", "NATTERJACK__LIMITS__CONNECTIONS"),
    ] {
        let fault = faults_of_variable(name, "1");
        assert_eq!(fault, format!("{name}: names no key; did you mean `{suggested}`?"));
    }
    assert_eq!(
        faults_of_variable("NATTERJACK_COLOUR_OF_FROGS", ""),
        "NATTERJACK_COLOUR_OF_FROGS: names no key; wanted NATTERJACK__SECTION__KEY"
    );
}

#[test]
fn variables_of_the_command_line_and_of_container_platforms_are_ignored() {
    let others = [
        ("NATTERJACK_TOKEN", "t"),
        ("NATTERJACK_URL", "http://localhost:5000"),
        ("NATTERJACK_SERVICE_HOST", "10.0.0.1"),
        ("NATTERJACK_SERVICE_PORT", "5000"),
        ("NATTERJACK_SERVICE_PORT_HTTP", "5000"),
        ("NATTERJACK_PORT", "tcp://10.0.0.1:5000"),
        ("NATTERJACK_PORT_5000_TCP", "tcp://10.0.0.1:5000"),
        ("NATTERJACK_METRICS_PORT_9100_TCP_ADDR", "10.0.0.1"),
        ("NATTERJACK_NAME", "/web/natterjack"),
        ("NATTERJACKS", "many"),
    ];
    assert_eq!(with_variables(&others).unwrap(), Config::default());
    assert!(faults_of_variable("NATTERJACK_PORT", "8080").contains("names no key"));
}
