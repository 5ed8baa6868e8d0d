//! A wrong configuration is told in full before anything starts.

use crate::harness::Setup;

#[tokio::test]
async fn all_faults_are_told_with_line_and_key_and_the_exit_code_is_2() {
    let setup = Setup::bare();
    let text = "[server]\nnmae = \"x\"\n\n[auth]\nguests = \"yes\"\naccess_ttl = \"soon\"\n\n[plugin.word-filter]\ngrants = [\"root\"]\n";
    std::fs::write(setup.path().join("bad.toml"), text).unwrap();
    let output = setup.command(&["serve", "--config", "bad.toml"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let report = String::from_utf8(output.stderr).unwrap();
    for (line, key) in
        [(2, "server.nmae"), (5, "auth.guests"), (6, "auth.access_ttl"), (9, "plugin.word-filter.grants")]
    {
        assert!(report.contains(&format!("bad.toml:{line}: {key}")), "{key} in:\n{report}");
    }
    assert!(report.contains("`name`"), "the right key is suggested:\n{report}");
    assert!(!setup.path().join("data").exists(), "nothing was started");
}

#[tokio::test]
async fn a_file_that_is_not_there_is_an_error_if_it_was_asked_for() {
    let output = Setup::bare().command(&["serve", "--config", "gone.toml"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("gone.toml"));
}

#[tokio::test]
async fn a_weak_secret_is_refused() {
    let output =
        Setup::bare().variable("JWT_SECRET", "your_jwt_secret_key_here").command(&["serve"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("JWT_SECRET"), "{report}");
    assert!(!report.contains("your_jwt_secret_key_here"), "the secret itself is not shown: {report}");
}

#[tokio::test]
async fn help_is_there_for_the_program_and_its_subcommands() {
    for args in [&["--help"][..], &["serve", "--help"], &["chat", "--help"], &["--version"]] {
        let output = Setup::bare().command(args).output().await.unwrap();
        assert!(output.status.success(), "{args:?}");
        assert!(!output.stdout.is_empty(), "{args:?}");
    }
}
