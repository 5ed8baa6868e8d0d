//! Checks for keys that are valid each by itself but contradict each other.

use std::collections::BTreeMap;

use super::fault::{Faults, Place};
use super::listeners::Listener;
use super::tree::{self, Node, Table, Value};
use super::{Config, External};

impl Config {
    /// Reports keys that are valid each by itself but contradict each other.
    pub(super) fn look_for_contradictions(
        &self,
        tree: &Table,
        environment: &BTreeMap<String, String>,
        faults: &mut Faults,
    ) {
        // The intended value of a key with a fault is unknown.
        let [no_jwt_secret, no_database] = ["auth.jwt_secret", "database.url"].map(|key| faults.concern(key));
        let mut contradiction = |section: &str, keys: [&str; 2], wrong: bool, why: String| {
            let full = keys.map(|key| tree::join(section, key));
            if !wrong || full.iter().any(|key| faults.concern(key)) {
                return;
            }
            // Reported at the place where one of the two was written.
            let written = keys.iter().zip(&full).find_map(|(key, full)| Some((place(tree, section, key)?, full)));
            if let Some((place, key)) = written {
                faults.add(&place, key, why);
            }
        };
        let auth = &self.auth;
        contradiction(
            "auth",
            ["refresh_ttl", "access_ttl"],
            auth.refresh_ttl < auth.access_ttl,
            "a refresh token would end before its access token; wanted refresh_ttl ≥ access_ttl".to_owned(),
        );
        let least = auth.hash_parallelism * 8;
        contradiction(
            "auth",
            ["hash_memory_kib", "hash_parallelism"],
            auth.hash_memory_kib < least,
            format!("Argon2id needs 8 KiB a lane; wanted hash_memory_kib ≥ {least} for this hash_parallelism"),
        );
        let external = &auth.external;
        let without_issuer = external.issuer.is_empty() && *external != External::default();
        let wanted = "is for the tokens of another issuer, and there is no `issuer`; wanted its name";
        for key in ["secret", "audience", "id_claim"] {
            contradiction("auth.external", [key, "issuer"], without_issuer, wanted.to_owned());
        }
        contradiction(
            "auth.external",
            ["issuer", "secret"],
            !external.issuer.is_empty() && external.secret.is_empty() && auth.jwt_secret.is_empty() && !no_jwt_secret,
            "there is nothing to check its tokens with; wanted `secret`, or `auth.jwt_secret` if it signs with that"
                .to_owned(),
        );
        let limits = &self.limits;
        contradiction(
            "limits",
            ["outbox_bytes", "frame_bytes"],
            limits.outbox_bytes < limits.frame_bytes,
            "the outbox could not hold one frame; wanted outbox_bytes ≥ frame_bytes".to_owned(),
        );
        let alone = self.cluster.nats.is_empty();
        let shared = self.database.url.expose().starts_with("postgres");
        let why =
            "nodes of a cluster share a PostgreSQL; wanted database.url (or DATABASE_URL) = postgres://…".to_owned();
        contradiction("cluster", ["nats", "name"], !alone && !shared && !no_database, why);
        let tls = &self.tls;
        let half = tls.certificate_file.is_empty() != tls.key_file.is_empty();
        let why = "a certificate and its key belong together; wanted both, or neither".to_owned();
        contradiction("tls", ["certificate_file", "key_file"], half, why);
        let bare = !tls.listen.is_empty() && tls.certificate_file.is_empty();
        let why = "there is no certificate to show there; wanted certificate_file and key_file".to_owned();
        contradiction("tls", ["listen", "certificate_file"], bare, why);

        self.look_for_collisions(tree, environment, faults);
    }

    /// Reports addresses that two listeners would need.
    fn look_for_collisions(&self, tree: &Table, environment: &BTreeMap<String, String>, faults: &mut Faults) {
        // Where an address was written; None for a default.
        let written = |listener: &Listener, index: usize| {
            let (section, key) = listener.key.rsplit_once('.')?;
            let is_port = listener.key == "server.listen" && index == 0;
            if is_port && environment.get("PORT").is_some_and(|port| !port.trim().is_empty()) {
                return Some(Place::Variable("PORT".to_owned()));
            }
            let node = node(tree, section, key)?;
            let item = match &node.value {
                Value::Array(items) => items.get(index),
                _ => None,
            };
            Some(item.unwrap_or(node).place.clone())
        };
        let listeners = self.listeners();
        let index_of = |at: usize| listeners[..at].iter().filter(|other| other.key == listeners[at].key).count();
        for (at, listener) in listeners.iter().enumerate() {
            let Some(earlier) = listeners[..at].iter().position(|other| other.collides_with(listener)) else {
                continue;
            };
            let other = &listeners[earlier];
            let Listener { key, address } = *listener;
            let place = written(listener, index_of(at));
            if let (false, false, Some(place)) = (faults.concern(key), faults.concern(other.key), place) {
                let why = if other.address == address && other.key == key {
                    format!("{address} is there twice")
                } else {
                    let by =
                        written(other, index_of(earlier)).map_or("its default".to_owned(), |place| place.to_string());
                    format!(
                        "{address} is taken by {} ({}, {by}); wanted another port or address",
                        other.key, other.address
                    )
                };
                faults.add(&place, key, why);
            }
        }
    }
}

/// The place where a key was written, if it was.
fn place(tree: &Table, section: &str, key: &str) -> Option<Place> {
    node(tree, section, key).map(|node| node.place.clone())
}

/// The node that was written for a key.
fn node<'a>(tree: &'a Table, section: &str, key: &str) -> Option<&'a Node> {
    let mut table = tree;
    for part in section.split('.') {
        match table.get(part)? {
            Node { value: Value::Table(inner), .. } => table = inner,
            _ => return None,
        }
    }
    table.get(key)
}
