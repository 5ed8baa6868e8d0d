//! Runs ejabberd without its system service: a single node in its own folder, not distributed.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result};

use super::server::Server;
use super::testbed::Testbed;

/// Debian's folders of ejabberd and its Erlang libraries.
const LIBRARIES: [&str; 2] = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"];

pub(crate) fn is_installed() -> bool {
    libraries().is_some()
}

fn libraries() -> Option<&'static str> {
    LIBRARIES.into_iter().find(|folder| version_in(folder).is_some())
}

pub(crate) fn version() -> Option<String> {
    version_in(libraries()?)
}

fn version_in(folder: &str) -> Option<String> {
    let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter_map(|name| Some(name.strip_prefix("ejabberd-")?.to_owned())).min()
}

pub(crate) fn start(testbed: &Testbed, log: &Path) -> Result<Server> {
    let folder = testbed.folder.join("ejabberd");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    // It does not report its port, so it gets a free one.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let config = folder.join("ejabberd.yml");
    let shipped = fs::read_to_string(testbed.folder.join("ejabberd.yml")).context("cannot read ejabberd.yml")?;
    fs::write(&config, shipped.replace("@PORT@", &port.to_string())).context("cannot write ejabberd.yml")?;

    let mut erl = testbed.on_server_core("erl");
    // The arguments of `ejabberdctl` without a node name: an unnamed node needs no `epmd`.
    erl.args(["-noinput", "+K", "true", "+P", "250000", "-mnesia", "dir"]).arg(format!("{:?}", folder.join("db")));
    erl.args(["-s", "ejabberd"]).current_dir(&folder);
    erl.env("EJABBERD_CONFIG_PATH", &config).env("EJABBERD_LOG_PATH", folder.join("ejabberd.log"));
    erl.env("ERL_LIBS", libraries().context("ejabberd is not installed")?).env("ERL_MAX_PORTS", "32000");
    let address = format!("127.0.0.1:{port}");
    Server::start_at(&mut erl, log, &address, format!("ws://{address}/ws"))
}
