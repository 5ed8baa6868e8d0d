//! The real binary, over real sockets, with the real plugins. One file a subject; a test's name is the fact it shows.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "../harness/mod.rs"]
mod harness;

mod accounts;
mod accounts_admin;
mod admin;
mod admin_audit;
mod admin_plugins;
mod admin_server;
mod bench;
mod chat_client;
mod cluster;
mod cluster_plugins;
mod cluster_timers;
mod config_reload;
mod configuration;
mod conversation;
mod dependencies;
mod deploy;
mod direct;
mod errors;
mod foreign;
mod frames;
mod go;
mod groups;
mod guests;
mod hostile;
mod http;
mod keys;
mod limits;
mod loading;
mod media;
mod messages;
mod metrics;
mod nonsense;
mod observers;
mod operate;
mod outage;
mod own_account;
mod pages;
mod people;
mod plugin_posts;
mod plugin_tools;
mod private_rooms;
mod recovery;
mod reload;
mod request_ids;
mod rest;
mod rest_document;
mod room_model;
mod rooms;
mod sessions;
mod sessions_rest;
mod starting;
mod stopping;
mod timers;
mod tls;
mod together;
mod torture;
mod transcripts;
mod users;
mod word_filter;
