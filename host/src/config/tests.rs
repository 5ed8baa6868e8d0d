use std::collections::BTreeSet;
use std::time::Duration;

use super::*;

mod faults_in_the_file;
mod listeners;
mod variables;
mod wrong_files;

fn load(text: &str) -> Result<Config, Faults> {
    Config::from_text("config.toml", text, no_variables())
}

fn no_variables() -> [(String, String); 0] {
    []
}

/// The faults of loading this text, one a line.
fn faults(text: &str) -> Vec<String> {
    load(text).expect_err("it has faults").iter().map(ToString::to_string).collect()
}

fn with_variables(variables: &[(&str, &str)]) -> Result<Config, Faults> {
    Config::from_text("config.toml", "", variables.iter().copied())
}

fn faults_of_variable(name: &str, value: &str) -> String {
    with_variables(&[(name, value)]).expect_err("it has faults").to_string()
}

mod shipped_file {
    use super::*;

    const SHIPPED: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../config.toml"));

    #[test]
    fn holds_every_default() {
        let mut shipped = load(SHIPPED).unwrap();
        shipped.plugin.clear();
        assert_eq!(shipped, Config::default());
    }

    #[test]
    fn shows_every_key_with_a_comment() {
        let keys = |text: &str| -> BTreeSet<String> {
            let table: toml::Table = text.parse().unwrap();
            let keys = |(section, keys): (String, toml::Value)| {
                let names: Vec<String> =
                    keys.as_table().unwrap().keys().map(|key| format!("{section}.{key}")).collect();
                names
            };
            table.into_iter().filter(|(section, _)| section != "plugin").flat_map(keys).collect()
        };
        assert_eq!(keys(SHIPPED), keys(&Config::default().redacted()));
        let uncommented = SHIPPED.lines().filter(|line| line.contains(" = ") && !line.contains('#'));
        let in_plugin_tables = ["grants", "order", "settings"];
        let uncommented = uncommented.filter(|line| !in_plugin_tables.iter().any(|key| line.starts_with(key)));
        assert_eq!(uncommented.collect::<Vec<_>>(), Vec::<&str>::new());
    }

    #[test]
    fn grants_the_bundled_plugins_what_they_need() {
        let shipped = load(SHIPPED).unwrap();
        assert_eq!(shipped.plugin_of("groups").grants, [Grant::Accounts, Grant::Rooms, Grant::RoomsAdmin]);
        assert_eq!(shipped.plugin_of("room-password").grants, [Grant::Storage, Grant::Passwords]);
        let filter = shipped.plugin_of("word-filter");
        assert_eq!(filter.order, 10);
        assert_eq!(filter.settings.0, serde_json::json!({ "words": ["darn"], "action": "mask" }));
    }
}

mod operator_docs {
    use super::*;

    const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operate.md"));

    fn keys(table: &toml::Table, path: &str, found: &mut BTreeSet<String>) {
        for (name, value) in table {
            let key = tree::join(path, name);
            match value {
                toml::Value::Table(table) => keys(table, &key, found),
                _ => drop(found.insert(key)),
            }
        }
    }

    #[test]
    fn list_when_each_key_takes_effect() {
        let (mut all, mut fixed) = (BTreeSet::new(), Vec::new());
        keys(&Config::default().redacted().parse().unwrap(), "", &mut all);
        <Config as Key>::fixed("", &mut fixed);
        let is_fixed = |key: &String| fixed.iter().any(|one| key == one || key.starts_with(&format!("{one}.")));
        let wanted: BTreeSet<String> = all
            .iter()
            .map(|key| format!("| `{key}` | {} |", if is_fixed(key) { "at the next start" } else { "at once" }))
            .collect();
        let reported =
            PAGE.lines().filter(|line| line.ends_with("| at once |") || line.ends_with("| at the next start |"));
        assert_eq!(reported.map(str::to_owned).collect::<BTreeSet<_>>(), wanted);
    }
}

mod reload {
    use super::*;

    #[test]
    fn changes_keys_unless_they_need_a_restart() {
        let running = load("[auth]\nguests = true\n[plugin.echo]\norder = 1\n").unwrap();
        let new = load(
            "[auth]\nguests = false\nhash_iterations = 3\n[database]\nurl = \"sqlite:hidden\"\n[plugin.echo]\norder = 2\n",
        );
        let new = new.unwrap();
        let taken = running.take_over(&new);
        let reported = |from: &Config, to: &Config| -> Vec<(String, Option<String>)> {
            from.differences(to).into_iter().map(|difference| (difference.key, difference.to)).collect()
        };
        let one = |key: &str, to: &str| (key.to_owned(), Some(to.to_owned()));
        assert_eq!(reported(&running, &taken), [one("auth.guests", "false"), one("plugin.echo.order", "2")]);
        let url = "\"sqlite:hidden\"";
        assert_eq!(reported(&taken, &new), [one("database.url", url), one("auth.hash_iterations", "3")]);
    }

    #[test]
    fn reports_differences_without_secrets() {
        let reported = |from: &str, to: &str| -> Vec<(String, Option<String>, Option<String>)> {
            let differences = load(from).unwrap().differences(&load(to).unwrap());
            differences.into_iter().map(|one| (one.key, one.from, one.to)).collect()
        };
        let one = |key: &str, from: &str, to: &str| (key.to_owned(), Some(from.to_owned()), Some(to.to_owned()));
        let (a, b) = ("postgres://ann:hunter2@db/chat?sslkey=hunter2", "postgres://db:5433/chat");
        assert_eq!(
            reported(&format!("database.url = \"{a}\""), &format!("database.url = \"{b}\"")),
            [one("database.url", "\"postgres://<hidden>@db/chat\"", "\"postgres://db:5433/chat\"")]
        );
        assert_eq!(
            reported("", "metrics.token = \"hunter2-hunter2-hunter2\""),
            [one("metrics.token", "\"\"", "\"<hidden>\"")]
        );
        let settings = |text: &str| format!("[plugin.echo.settings]\nsame = 1\n{text}\n");
        assert_eq!(
            reported(
                &settings("words = [\"a\"]"),
                &settings("words = [\"b\"]\napi_key = \"hunter2\"\nhook = \"https://x/hunter2\"")
            ),
            [
                ("plugin.echo.settings.api_key".to_owned(), None, Some("\"<hidden>\"".to_owned())),
                ("plugin.echo.settings.hook".to_owned(), None, Some("<hidden>".to_owned())),
                one("plugin.echo.settings.words", "[\"a\"]", "[\"b\"]"),
            ]
        );
    }
}

mod files {
    use super::*;

    #[test]
    fn a_named_file_must_exist() {
        let missing = Config::load(Some(Path::new("/no/such.toml")), no_variables()).unwrap_err();
        assert_eq!(missing.to_string(), "/no/such.toml: there is no such file");
    }

    #[test]
    fn a_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chat.toml");
        std::fs::write(&file, "[server]\nname = \"Pond\"\n").unwrap();
        assert_eq!(Config::load(Some(&file), no_variables()).unwrap().server.name, "Pond");
        std::fs::write(&file, b"name = \"\xff\"").unwrap();
        let faults = Config::load(Some(&file), no_variables()).unwrap_err();
        assert!(faults.to_string().ends_with("chat.toml: is not UTF-8 text"), "{faults}");
    }

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(load("").unwrap(), Config::default());
    }

    #[test]
    fn values_are_read() {
        let config = load(
            r#"
            [server]
            listen = ["0.0.0.0:80", "[::1]:3001"]
            shutdown_timeout = "1m 30s"
            [database]
            url = "postgres://ann:hunter2@db/chat"
            synchronous = "normal"
            [cors]
            origins = ["https://chat.example", "http://localhost:3000", "null", "file://", "app://-", "moz-extension://a-1"]
            [plugin.echo]
            enabled = false
            on_fault = "allow"
            http_hosts = ["api.example.org", "*.example.net:8443"]
            limits = { call_ms = 50 }
            [plugin.echo.settings]
            since = 2026-11-21
            depth = { of = [1, 2.5, true] }
            "#,
        )
        .unwrap();
        assert_eq!(config.server.listen[1], "[::1]:3001".parse().unwrap());
        assert_eq!(config.server.shutdown_timeout, Duration::from_secs(90));
        assert_eq!(config.database.url.expose(), "postgres://ann:hunter2@db/chat");
        assert_eq!(config.database.synchronous, Synchronous::Normal);
        let hosts: Vec<&str> = config.cors.hosts().collect();
        assert_eq!(hosts, ["chat.example", "localhost"]);
        for (origin, allowed) in [
            ("https://chat.example", true),
            ("http://chat.example", false),
            ("null", true),
            ("file://", true),
            ("app://-", true),
            ("moz-extension://a-2", false),
            ("*", false),
        ] {
            assert_eq!(config.cors.allows(origin.as_bytes()), allowed, "{origin}");
        }
        let echo = config.plugin_of("echo");
        assert!(!echo.enabled);
        assert_eq!(echo.on_fault, OnFault::Allow);
        assert!(echo.http_hosts[0].covers("api.example.org", 80, 80));
        assert!(echo.http_hosts[1].covers("a.example.net", 8443, 443));
        assert_eq!(
            config.plugins.budget(&echo.limits),
            Budget {
                filter: Duration::from_millis(5),
                call: Duration::from_millis(50),
                memory_bytes: 32 * 1024 * 1024
            }
        );
        assert_eq!(echo.settings.0, serde_json::json!({ "since": "2026-11-21", "depth": { "of": [1, 2.5, true] } }));
    }

    #[test]
    fn a_plugin_without_a_table_has_the_defaults() {
        assert_eq!(load("").unwrap().plugin_of("unheard-of"), Plugin::default());
    }

    #[test]
    fn a_pin_admits_its_file_alone() {
        let config = load(&format!("plugin.echo.sha256 = \"{}\"", "aB".repeat(32))).unwrap();
        assert!(config.plugin_of("echo").sha256.admits(&[0xab; 32]));
        assert!(!config.plugin_of("echo").sha256.admits(&[0xac; 32]));
        assert!(config.plugin_of("other").sha256.admits(&[0xac; 32]));
    }
}

mod redacted {
    use super::*;

    #[test]
    fn loads_to_the_same_configuration() {
        let config = load("[plugin.a]\norder = 3\n[plugin.b]\nlimits = { call_ms = 7 }").unwrap();
        assert_eq!(load(&config.redacted()).unwrap(), config);
    }

    #[test]
    fn hides_secrets() {
        let config =
            load("[database]\nurl = \"postgres://ann:hunter2@db/chat\"\n[plugin.bot.settings]\ntoken = \"hunter2\"\n")
                .unwrap();
        let shown = config.redacted();
        assert!(shown.contains("url = \"<hidden>\"\n"), "{shown}");
        assert!(shown.contains("jwt_secret = \"\"\n"), "{shown}");
        assert!(shown.contains("token = \"<hidden>\""), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
