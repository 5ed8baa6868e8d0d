use super::*;

#[test]
fn any_key_can_be_given() {
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
fn they_win_over_the_file_and_leave_the_rest_of_it() {
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
fn the_plain_ones_work_too() {
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
fn plain_ones_that_are_empty_are_not_set() {
    let empty = ["PORT", "DATABASE_URL", "JWT_SECRET", "CORS_ORIGIN"].map(|name| (name, ""));
    assert_eq!(with_variables(&empty).unwrap(), Config::default());
}

#[test]
fn the_longer_name_wins_over_the_plain_one() {
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
        "NATTERJACK__GUESTS: names no key; wanted NATTERJACK__SECTION__KEY"
    );
    assert_eq!(faults_of_variable("PORT", "70000"), "PORT: server.listen: `70000` is not a port; wanted 0 to 65535");
    assert!(faults_of_variable("JWT_SECRET", "changeme").starts_with("JWT_SECRET: auth.jwt_secret: is a well-known"));
}
