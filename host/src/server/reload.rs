//! What a running server takes over of a configuration, or a certificate, that changed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;

use crate::accounts::Accounts;
use crate::config::{self, Config, Difference, Reloadable};
use crate::dialect::native::Greeting;
use crate::follow::{Watch, follow, quiet};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::plugins::Plugins;
use crate::transport::Tls;

/// How Kubernetes replaces mounted files: by turning this link, and no event names the file.
const TURNED_LINK: &str = "..data";

/// The sections that change while the server runs, for those who each need one of them.
pub(super) struct Sections {
    pub(super) server: Reloadable<config::Server>,
    pub(super) auth: Reloadable<config::Auth>,
    pub(super) cors: Reloadable<config::Cors>,
    pub(super) dialects: Reloadable<config::Dialects>,
    pub(super) limits: Reloadable<config::Limits>,
    pub(super) rooms: Reloadable<config::Rooms>,
    pub(super) media: Reloadable<config::Media>,
    pub(super) retention: Reloadable<config::Retention>,
    pub(super) metrics: Reloadable<config::Metrics>,
    pub(super) greeting: Reloadable<Greeting>,
}

impl Sections {
    pub(super) fn of(config: &Config) -> Self {
        Self {
            server: (&config.server).into(),
            auth: (&config.auth).into(),
            cors: (&config.cors).into(),
            dialects: (&config.dialects).into(),
            limits: (&config.limits).into(),
            rooms: (&config.rooms).into(),
            media: (&config.media).into(),
            retention: (&config.retention).into(),
            metrics: (&config.metrics).into(),
            greeting: Greeting::new(&config.server, &config.limits).into(),
        }
    }

    fn set(&self, config: &Config) {
        self.server.set(config.server.clone());
        self.auth.set(config.auth.clone());
        self.cors.set(config.cors.clone());
        self.dialects.set(config.dialects.clone());
        self.limits.set(config.limits.clone());
        self.rooms.set(config.rooms.clone());
        self.media.set(config.media.clone());
        self.retention.set(config.retention.clone());
        self.metrics.set(config.metrics.clone());
        self.greeting.set(Greeting::new(&config.server, &config.limits));
    }
}

/// Whoever keeps a running server to its configuration.
pub(super) struct Reload {
    /// What is in force.
    pub(super) running: Reloadable<Config>,
    /// None as long as there is none.
    pub(super) file: Option<PathBuf>,
    pub(super) sections: Sections,
    pub(super) accounts: Arc<Accounts>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) plugins: Arc<Plugins>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) log: Arc<Log>,
}

impl Reload {
    /// Looks at the files whenever they change, and when `asked` to. They are watched from the call on.
    pub(super) fn follow(mut self, asked: Arc<Notify>) -> impl Future<Output = ()> + Send {
        let (config_changed, tls_changed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let config = followed(self.file.as_deref().unwrap_or(Path::new(config::DEFAULT_FILE)), &config_changed);
        let shown = self.tls.clone();
        let tls: Vec<_> = shown.iter().flat_map(|tls| tls.files()).map(|file| followed(file, &tls_changed)).collect();
        async move {
            let _watches = (config, tls);
            loop {
                tokio::select! {
                    () = asked.notified() => {
                        self.read_config().await;
                        self.read_certificate();
                    }
                    () = config_changed.notified() => {
                        quiet(&config_changed).await;
                        self.read_config().await;
                    }
                    () = tls_changed.notified() => {
                        quiet(&tls_changed).await;
                        self.read_certificate();
                    }
                }
            }
        }
    }

    /// All of it, or nothing if anything is wrong.
    async fn read_config(&mut self) {
        // Whoever starts without one may write it later, as plugins that want grants ask for.
        self.file = self.file.take().or_else(config::default_file);
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || Config::load(file.as_deref(), config::environment()));
        match read.await {
            Ok(Ok(new)) => self.take_over(&new).await,
            Ok(Err(faults)) => {
                for fault in faults.iter() {
                    tracing::error!(%fault, "the configuration cannot be used");
                }
                tracing::error!("the configuration was not read again: all goes on as before");
            }
            Err(error) => tracing::error!(%error, "reading the configuration panicked"),
        }
    }

    async fn take_over(&mut self, new: &Config) {
        let running = self.running.latest();
        let taken = running.take_over(new);
        for Difference { key, from, to } in taken.differences(new) {
            tracing::warn!(key, from, to, "changed in the configuration; takes effect at the next start");
        }
        let changed = running.differences(&taken);
        if changed.is_empty() {
            tracing::info!("the configuration was read again: nothing new in it");
            return;
        }
        self.log.set_level(&taken.log.level);
        self.sections.set(&taken);
        if running.limits != taken.limits {
            self.accounts.throttle(&taken.limits, &self.metrics);
        }
        if (&running.plugins, &running.plugin) != (&taken.plugins, &taken.plugin)
            && let Err(error) = self.plugins.configure(taken.plugins.clone(), taken.plugin.clone()).await
        {
            tracing::error!(%error, "the plugins keep their former settings");
        }
        self.running.set(taken);
        for Difference { key, from, to } in changed {
            tracing::info!(key, from, to, "changed in the configuration; in force from now on");
        }
    }

    fn read_certificate(&self) {
        let Some(tls) = &self.tls else { return };
        match tls.reload() {
            Ok(true) => tracing::info!("the certificate was replaced; new connections are shown it"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the certificate was not replaced; the former one goes on"),
        }
    }
}

/// Without a watcher, asking has to do.
fn followed(file: &Path, changed: &Arc<Notify>) -> Option<Watch> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().map(ToOwned::to_owned);
    let concerns =
        move |path: &Path| path.file_name().is_some_and(|told| Some(told) == name.as_deref() || told == TURNED_LINK);
    let watch = follow(folder, concerns, changed);
    if let Err(error) = &watch {
        tracing::warn!(file = %file.display(), %error, "cannot be watched; SIGHUP has it read again");
    }
    watch.ok()
}
