//! The server's binary and the plugins, built when the first test needs them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use xtask::command;

/// A component that tests put into plugin folders.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plugin {
    Groups,
    RoomPassword,
    WordFilter,
    Slash,
    Echo,
    /// Acts as its settings and commands say.
    Bot,
    /// The smallest plugin: rejects messages that contain `casino`.
    NoAds,
    /// Misbehaves on demand.
    Hostile,
}

/// Grants for the hostile plugin, which imports everything.
pub(crate) const HOSTILE_GRANTS: &str =
    r#"grants = ["storage", "accounts", "rooms", "rooms-admin", "messages", "passwords", "push", "timers", "http"]"#;

impl Plugin {
    pub(crate) const SHIPPED: [Self; 5] = [Self::Groups, Self::RoomPassword, Self::WordFilter, Self::Slash, Self::Echo];

    /// The name of its file in a plugin folder.
    pub(crate) fn file_name(self) -> &'static str {
        match self {
            Self::Groups => "groups.wasm",
            Self::RoomPassword => "room-password.wasm",
            Self::WordFilter => "word-filter.wasm",
            Self::Slash => "slash.wasm",
            Self::Echo => "echo.wasm",
            Self::Bot => "bot.wasm",
            Self::NoAds => "no-ads.wasm",
            Self::Hostile => "hostile.wasm",
        }
    }

    pub(crate) fn path(self) -> PathBuf {
        match self {
            Self::Bot => BUILT.join("wasm32-wasip2/plugin/fixture_bot.wasm"),
            Self::NoAds => BUILT.join("wasm32-wasip2/plugin/fixture_no_ads.wasm"),
            Self::Hostile => BUILT.join("wasm32-wasip2/plugin/fixture_hostile.wasm"),
            shipped => BUILT.join("plugins").join(shipped.file_name()),
        }
    }
}

/// The folder of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is one up")
}

/// The server's binary.
pub(crate) fn natterjack() -> PathBuf {
    BUILT.join("debug/natterjack")
}

/// The target folder, after everything in it was built. A test that is run alone builds what it needs here; after
/// `cargo xtask test` this takes no time.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    let root = root();
    let cargo = |args: &[&str]| {
        let status = command::cargo(args).current_dir(root).status().expect("cargo runs");
        assert!(status.success(), "`cargo {}` failed; its output above says why", args.join(" "));
    };
    // The whole workspace: other package selections would change the features of dependencies and rebuild most of them.
    cargo(&["build", "--locked", "--workspace", "--bin=natterjack", "--test=suite"]);
    cargo(&["xtask", "plugins"]);
    let mut fixtures = vec!["build", "--locked", "--profile", "plugin", "--target", "wasm32-wasip2"];
    for fixture in ["natterjack-fixture-no-ads", "natterjack-fixture-bot", "natterjack-fixture-hostile"] {
        fixtures.extend(["--package", fixture]);
    }
    cargo(&fixtures);
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => root.join(target),
        None => root.join("target"),
    }
});

/// The folder in which the third-party clients are installed.
pub(crate) static INSTALLED: LazyLock<PathBuf> = LazyLock::new(|| {
    let install = command::cargo(&["xtask", "foreign"]).current_dir(root()).status();
    assert!(
        install.expect("cargo runs").success(),
        "other people's clients could not be installed; the reason is above"
    );
    natterjack().ancestors().nth(2).expect("the target folder").join("foreign")
});
