//! Checks the files in `deploy/` with the programs that read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::foreign::python_program;
use crate::harness::{Setup, natterjack};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap()
}

/// Whether the command succeeded, and its output.
fn run(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

#[test]
fn systemd_accepts_the_unit_as_hardened() {
    xtask::tools::install().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Where the program is, and whether the manual is installed, is the machine's matter.
    let program = natterjack().display().to_string();
    let unit = read("natterjack.service").replace("/usr/local/bin/natterjack", &program).replace("Documentation=", "#");
    let file = folder.path().join("natterjack.service");
    std::fs::write(&file, unit).unwrap();
    let (content, said) = run(Command::new("systemd-analyze").args(["verify", "--recursive-errors=no"]).arg(&file));
    assert!(content && !said.contains("natterjack.service"), "{said}");
    let (content, said) =
        run(Command::new("systemd-analyze").args(["security", "--offline=true", "--threshold=20"]).arg(&file));
    assert!(content, "its exposure is above 2 of 10: {said}");
}

#[test]
fn nginx_accepts_its_snippets() {
    nginx_accepts(&read("nginx.conf"));
    // The nodes' names are known where they run.
    nginx_accepts(
        &regex::Regex::new(r"server node-\d:").unwrap().replace_all(&read("balancer.conf"), "server 127.0.0.1:"),
    );
}

fn nginx_accepts(snippet: &str) {
    xtask::tools::install().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display();
    let paths =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|what| format!("{what}_temp_path {here}/{what};"));
    // The test user may not be allowed to use port 80, and may have no IPv6.
    let snippet = snippet.replace("listen 80;", "listen 127.0.0.1:58080;").replace("listen [::]:80;", "");
    let whole = format!(
        "pid {here}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{}\n{snippet}\n}}\n",
        paths.join("\n")
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, whole).unwrap();
    let (content, said) = run(Command::new("/usr/sbin/nginx").args(["-t", "-q", "-e", "stderr", "-c"]).arg(&file));
    assert!(content, "{said}");
}

#[test]
fn caddy_accepts_its_snippet() {
    xtask::tools::install().unwrap();
    let mut caddy = Command::new("caddy");
    let (content, said) = run(caddy.args(["validate", "--adapter", "caddyfile", "--config"]).arg(path("Caddyfile")));
    assert!(content, "{said}");
}

#[test]
fn hadolint_accepts_the_dockerfile() {
    let (content, said) = run(Command::new(python_program("hadolint")).arg(path("Dockerfile")));
    assert!(content, "{said}");
    let file = read("Dockerfile");
    let user = file.rfind("\nUSER 10001\n").expect("it does not run as root");
    assert!(user > file.rfind("\nFROM ").unwrap() && user < file.find("\nENTRYPOINT").unwrap());
}

#[test]
fn compose_files_are_valid() {
    let mut schema = Command::new(python_program("check-jsonschema"));
    let files = [path("compose.yaml"), path("cluster.yaml")];
    let (content, said) = run(schema.args(["--builtin-schema", "vendor.compose-spec"]).args(files));
    assert!(content, "{said}");
}

#[tokio::test]
async fn container_is_healthy_while_server_is_ready() {
    let file = read("compose.yaml");
    let check = file.lines().find_map(|line| line.trim().strip_prefix("- exec 3<>/dev/tcp/127.0.0.1/5000;"));
    let check = check.expect("the health check asks the port that the Dockerfile exposes");
    let mut server = Setup::bare().variable("NATTERJACK__SERVER__SHUTDOWN_DELAY", "10m").start().await;
    let check = format!("exec 3<>/dev/tcp/{};{check}", server.address().replace(':', "/"));
    let healthy = async || tokio::process::Command::new("bash").args(["-c", &check]).status().await.unwrap().success();
    assert!(healthy().await);
    server.signal(Signal::SIGTERM);
    server.expect_output("once more stops at once").await;
    while healthy().await {}
}

#[test]
fn variables_in_deploy_files_name_existing_keys() {
    let names = regex::Regex::new(r"NATTERJACK__([A-Z_]+?)__([A-Z_]+)").unwrap();
    let known = keys();
    for file in ["Dockerfile", "compose.yaml", "cluster.yaml", "natterjack.service"] {
        for found in names.captures_iter(&read(file)) {
            let key = format!("{}.{}", found[1].to_lowercase(), found[2].to_lowercase());
            assert!(known.contains(&key), "{file} sets {key}, and there is no such key");
        }
    }
}

/// All configuration keys, as printed by the program.
fn keys() -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Command::new(natterjack());
    program.env_remove("NATTERJACK_TEST_POSTGRES").args(["serve", "--print-config"]).current_dir(folder.path());
    let (_, text) = run(&mut program);
    let mut section = "";
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        match (line.strip_prefix('['), line.split_once(" = ")) {
            (Some(name), _) => section = name.trim_end_matches(']'),
            (None, Some((key, _))) => drop(keys.insert(format!("{section}.{key}"))),
            (None, None) => {}
        }
    }
    keys
}
