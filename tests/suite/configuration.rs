//! Command line and configuration before anything starts: faults, help, printed configuration.

use std::process::Stdio;

use crate::harness::{Server, Setup};

#[tokio::test]
async fn all_faults_are_reported_with_line_and_key_and_exit_code_2() {
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
async fn missing_configuration_file_is_an_error_if_named() {
    let output = Setup::bare().command(&["serve", "--config", "gone.toml"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("gone.toml"));
}

#[tokio::test]
async fn weak_secret_is_refused() {
    let output =
        Setup::bare().variable("JWT_SECRET", "your_jwt_secret_key_here").command(&["serve"]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("JWT_SECRET"), "{report}");
    assert!(!report.contains("your_jwt_secret_key_here"), "the secret itself is not shown: {report}");
}

#[tokio::test]
async fn program_and_subcommands_have_help() {
    for args in [&["--help"][..], &["serve", "--help"], &["chat", "--help"], &["--version"]] {
        let output = Setup::bare().command(args).output().await.unwrap();
        assert!(output.status.success(), "{args:?}");
        assert!(!output.stdout.is_empty(), "{args:?}");
    }
}

#[tokio::test]
async fn print_config_hides_secrets_and_starts_nothing() {
    let secret = "0123456789-a-secret-that-is-never-shown";
    let setup = Setup::bare().variable("JWT_SECRET", secret).variable("NATTERJACK__SERVER__NAME", "Pond");
    let output = setup.command(&["serve", "--print-config"]).output().await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("name = \"Pond\"") && said.contains("jwt_secret = \"<hidden>\""), "{said}");
    assert!(said.contains("audit_max_age = \"365d\"") && said.contains("ping_interval = \"30s\""), "{said}");
    assert!(!said.contains(secret), "{said}");
    assert!(!setup.path().join("data").exists(), "nothing was started");
    // What was printed is a configuration.
    let shown = said.replace("jwt_secret = \"<hidden>\"", "");
    std::fs::write(setup.path().join("shown.toml"), shown).unwrap();
    let again = setup.command(&["serve", "--print-config", "--config", "shown.toml"]).output().await.unwrap();
    assert_eq!(String::from_utf8(again.stdout).unwrap(), said);
}

#[tokio::test]
async fn completions_and_manual_pages_are_printed() {
    let setup = Setup::bare();
    for (shell, mark) in [("bash", "complete -F"), ("zsh", "#compdef natterjack"), ("fish", "complete -c natterjack")] {
        let output = setup.command(&["completions", shell]).output().await.unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains(mark) && said.contains("print-config"), "{shell}: {said}");
    }
    let output = setup.command(&["man"]).output().await.unwrap();
    let page = String::from_utf8(output.stdout).unwrap();
    assert!(page.contains(".TH natterjack 1") && page.contains("natterjack\\-serve(1)"), "{page}");
    let pages = setup.path().join("man");
    assert!(setup.command(&["man", "man"]).output().await.unwrap().status.success());
    assert!(std::fs::read_to_string(pages.join("natterjack-serve.1")).unwrap().contains("print\\-config"));
}

#[tokio::test]
async fn start_without_configuration_reports_defaults() {
    let setup = Setup::bare();
    let mut server = Server::on(setup).await;
    for told in
        ["none: every key has its default", "--config FILE", "none in plugins: put .wasm files there", "jwt.key"]
    {
        server.expect_output(told).await;
    }
}

#[tokio::test]
async fn closed_output_pipe_ends_command_silently() {
    for args in [&["completions", "bash"][..], &["man"], &["serve", "--print-config"], &["check"]] {
        let setup = Setup::bare();
        let mut command = setup.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().await.unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
        assert!(output.status.success(), "{args:?}");
    }
}
