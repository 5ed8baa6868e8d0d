//! Reloads the configuration and the certificate of a running server.

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

/// The link that Kubernetes switches to replace mounted files; no event names the file itself.
const KUBERNETES_DATA_LINK: &str = "..data";

/// The sections that can change while the server runs, to be handed out one by one.
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

/// Applies changes of the configuration to a running server.
pub(super) struct Reload {
    /// The configuration in force.
    pub(super) running: Reloadable<Config>,
    /// None while there is no file.
    pub(super) file: Option<PathBuf>,
    pub(super) sections: Sections,
    pub(super) accounts: Arc<Accounts>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) plugins: Arc<Plugins>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) log: Arc<Log>,
}

impl Reload {
    /// Reloads the files when they change, and when `asked` to. Watches them from the call on.
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

    /// Reloads the whole configuration, or nothing if it has faults.
    async fn read_config(&mut self) {
        // An operator may write the file only after the start, to grant what plugins need.
        self.file = self.file.take().or_else(config::default_file);
        let file = self.file.clone();
        let read = tokio::task::spawn_blocking(move || Config::load(file.as_deref(), config::environment()));
        match read.await {
            Ok(Ok(new)) => self.take_over(&new).await,
            Ok(Err(faults)) => {
                for fault in faults.iter() {
                    tracing::error!(%fault, "invalid configuration");
                }
                tracing::error!("configuration not reloaded, keeping the current one");
            }
            Err(error) => tracing::error!(%error, "configuration reload panicked"),
        }
    }

    async fn take_over(&mut self, new: &Config) {
        let running = self.running.latest();
        let taken = running.take_over(new);
        for Difference { key, from, to } in taken.differences(new) {
            tracing::warn!(key, from, to, "configuration key changed, takes effect at the next start");
        }
        let changed = running.differences(&taken);
        if changed.is_empty() {
            tracing::info!("configuration reloaded, nothing changed");
            return;
        }
        self.log.set_level(&taken.log.level);
        self.sections.set(&taken);
        if running.limits != taken.limits {
            self.accounts.set_limits(&taken.limits, &self.metrics);
        }
        if (&running.plugins, &running.plugin) != (&taken.plugins, &taken.plugin)
            && let Err(error) = self.plugins.configure(taken.plugins.clone(), taken.plugin.clone()).await
        {
            tracing::error!(%error, "plugin configuration not applied, keeping the former one");
        }
        self.running.set(taken);
        for Difference { key, from, to } in changed {
            tracing::info!(key, from, to, "configuration key changed, in force from now on");
        }
    }

    fn read_certificate(&self) {
        let Some(tls) = &self.tls else { return };
        match tls.reload() {
            Ok(true) => tracing::info!("certificate replaced, new connections use it"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "certificate not replaced, keeping the former one"),
        }
    }
}

/// Watches a file. If that fails, only explicit reloads work.
fn followed(file: &Path, changed: &Arc<Notify>) -> Option<Watch> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = file.file_name().map(ToOwned::to_owned);
    let concerns = move |path: &Path| {
        path.file_name()
            .is_some_and(|changed_name| Some(changed_name) == name.as_deref() || changed_name == KUBERNETES_DATA_LINK)
    };
    let watch = follow(folder, concerns, changed);
    if let Err(error) = &watch {
        tracing::warn!(file = %file.display(), %error, "cannot watch file, reload it with SIGHUP");
    }
    watch.ok()
}
