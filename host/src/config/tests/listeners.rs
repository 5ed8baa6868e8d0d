use super::*;

/// The faults of a file with these `listen` keys, each given as `section: addresses`.
fn collisions(keys: &[(&str, &str)]) -> Vec<String> {
    let text: String = keys.iter().map(|(section, listen)| format!("[{section}]\nlisten = [{listen}]\n")).collect();
    load(&text).err().map(|faults| faults.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[test]
fn address_collision_names_both_keys() {
    assert_eq!(
        collisions(&[("server", r#""0.0.0.0:5000""#), ("dialects.go", r#""127.0.0.1:5000""#)]),
        ["config.toml:4: dialects.go.listen: 127.0.0.1:5000 is taken by server.listen (0.0.0.0:5000, config.toml:2); \
             wanted another port or address"]
    );
    assert_eq!(
        collisions(&[("metrics", r#""127.0.0.1:5000""#)]),
        [
            "config.toml:2: metrics.listen: 127.0.0.1:5000 is taken by server.listen (127.0.0.1:5000, its default); wanted \
             another port or address"
        ]
    );
    assert_eq!(
        collisions(&[("server", "\n\"127.0.0.1:5000\",\n\"0.0.0.0:5000\"\n")]),
        [
            "config.toml:4: server.listen: 0.0.0.0:5000 is taken by server.listen (127.0.0.1:5000, config.toml:3); wanted \
             another port or address"
        ]
    );
    for (one, other) in [
        ("[::]:5000", "[::1]:5000"),
        ("127.0.0.1:5000", "[::ffff:127.0.0.1]:5000"),
        ("*:5000", "[::ffff:10.0.0.1]:5000"),
        ("localhost:5000", "127.0.0.1:5000"),
        ("[fe80::1%2]:5000", "[fe80::1%2]:5000"),
    ] {
        for section in ["dialects.groups", "dialects.direct", "dialects.rooms", "dialects.go", "metrics"] {
            let said = collisions(&[("server", &format!("\"{one}\"")), (section, &format!("\"{other}\""))]);
            assert_eq!(said.len(), 1, "{one}, {other}: {said:?}");
            assert!(said[0].contains(&format!("{section}.listen: ")) && said[0].contains("server.listen"), "{said:?}");
        }
    }
}

#[test]
fn compatible_addresses_are_no_fault() {
    for (one, other) in [
        ("0.0.0.0:5000", "[::]:5000"),
        ("[::]:5000", "127.0.0.1:5000"),
        ("127.0.0.1:5000", "127.0.0.2:5000"),
        ("127.0.0.1:5000", "127.0.0.1:5001"),
        ("0.0.0.0:0", "127.0.0.1:0"),
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("[fe80::1%2]:5000", "[fe80::1%3]:5000"),
    ] {
        let said = collisions(&[("server", &format!("\"{one}\"")), ("metrics", &format!("\"{other}\""))]);
        assert!(said.is_empty(), "{one}, {other}: {said:?}");
    }
}

#[test]
fn collision_caused_by_a_variable_names_the_variable() {
    let text = "[metrics]\nlisten = [\"127.0.0.1:9100\"]\n";
    let said = Config::from_text("config.toml", text, [("PORT", "9100")]).unwrap_err().to_string();
    assert!(said.contains("config.toml:2: metrics.listen") && said.contains("(127.0.0.1:9100, PORT)"), "{said}");
    let variables = [("PORT", "7"), ("NATTERJACK__SERVER__LISTEN", "127.0.0.1:5, 127.0.0.1:7")];
    let said = Config::from_text("config.toml", "", variables).unwrap_err().to_string();
    assert_eq!(said, "NATTERJACK__SERVER__LISTEN: server.listen: 127.0.0.1:7 is there twice");
}

#[test]
fn collision_is_not_reported_for_a_list_with_another_fault() {
    assert_eq!(collisions(&[("server", r#""here""#), ("metrics", r#""127.0.0.1:5000""#)]).len(), 1);
}
