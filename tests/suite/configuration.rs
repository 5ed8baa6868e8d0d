//! A wrong configuration is told in full before anything starts.

use std::process::Stdio;

use crate::harness::{Server, Setup};

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

#[tokio::test]
async fn the_configuration_in_force_is_printed_with_secrets_hidden_and_nothing_is_started() {
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
    let for_subscribers = setup.command(&["serve", "--print-config", "--config", "shown.toml"]).output().await.unwrap();
    assert_eq!(String::from_utf8(for_subscribers.stdout).unwrap(), said);
}

#[tokio::test]
async fn shells_can_complete_and_there_is_a_manual() {
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
async fn a_first_start_without_a_configuration_says_what_it_runs_with() {
    let setup = Setup::bare();
    let mut server = Server::on(setup).await;
    for told in ["none: every key at its default", "--config FILE", "none in plugins: put .wasm files there", "jwt.key"]
    {
        server.expect_output(told).await;
    }
}

#[tokio::test]
async fn a_command_whose_output_is_not_read_to_its_end_ends_without_a_word() {
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
