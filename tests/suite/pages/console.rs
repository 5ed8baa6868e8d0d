//! The admin console, in Chromium.

use serde_json::json;

use super::visitor::Visitor;
use crate::harness::{INSTALLED, Plugin, Server};

/// A browser with the console, logged in as an administrator.
async fn administrator(server: &Server) -> Visitor {
    let root = server.administrator("root").await;
    let visitor = Visitor::at(server, "/admin", ".door-card").await;
    visitor.write("#username", &root.name).await;
    visitor.write("#password", &format!("{}\u{e007}", root.password)).await;
    visitor.find(".rail").await;
    visitor
}

/// Waits for a notice with this text.
async fn expect_notice(visitor: &Visitor, text: &str) {
    visitor.until(&format!("document.querySelector('.notice')?.textContent.includes({})", json!(text))).await;
}

#[tokio::test]
async fn console_replaces_and_rolls_back_a_plugin_while_people_chat() {
    let server = Server::start().await;
    let root = administrator(&server).await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    ann.post("lobby", "darn").await.unwrap();
    assert_eq!(ann.expect_message().await, "****");

    root.click("a[href='#/plugins/word-filter']").await;
    root.find(".panel").await;
    root.click(".panel .head .primary").await;
    // What would not run is refused in the dialog, with the reason.
    let no_plugin = server.path().join("no-plugin.wasm");
    std::fs::write(&no_plugin, "#!/bin/sh").unwrap();
    root.write("#upload-file", no_plugin.to_str().unwrap()).await;
    root.click(".dialog .primary").await;
    root.until("document.querySelector('.dialog [role=alert]')?.textContent.includes('no WebAssembly file')").await;
    root.write("#upload-file", Plugin::NoAds.path().to_str().unwrap()).await;
    root.click(".dialog .primary").await;
    expect_notice(&root, "word-filter").await;
    ann.post("lobby", "darn").await.unwrap();
    assert_eq!(ann.expect_message().await, "darn");

    root.until("document.querySelectorAll('[aria-label=\"Versions of word-filter\"] tbody tr').length === 2").await;
    root.click("[aria-label^='Roll back to']").await;
    root.browser.screenshot("console-roll-back").await;
    root.click(".dialog .primary").await;
    expect_notice(&root, "runs again").await;
    ann.post("lobby", "darn").await.unwrap();
    assert_eq!(ann.expect_message().await, "****");

    // All of it is in the audit log.
    root.click("a[href='#/audit']").await;
    root.until("document.querySelector('tbody')?.textContent.includes('plugin.rollback')").await;
    let log = root.text().await;
    assert_eq!(log.matches("plugin.upload").count(), 2, "{log}");
    assert!(log.contains("refused"), "{log}");
    root.browser.end().await;
}

#[tokio::test]
async fn console_refuses_non_administrators() {
    let server = Server::start().await;
    let bob = server.sign_up("bob").await;
    let visitor = Visitor::at(&server, "/admin", ".door-card").await;
    visitor.write("#username", "bob").await;
    visitor.write("#password", &format!("{}\u{e007}", bob.password)).await;
    visitor.until("document.querySelector('[role=alert]')?.textContent.includes('not an administrator')").await;
    assert_eq!(visitor.run("return document.querySelector('.rail')", vec![]).await, json!(null));
    visitor.browser.end().await;
}

#[tokio::test]
async fn console_views_have_no_serious_accessibility_fault() {
    let server = Server::start().await;
    let mut ann = server.join_as("ann").await;
    ann.join("lobby").await;
    ann.post("lobby", "hello").await.unwrap();
    let axe = std::fs::read_to_string(INSTALLED.join("node_modules/axe-core/axe.min.js")).unwrap();
    let run = "return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
        .filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ''}`).join(' | ')}`))";
    let root = administrator(&server).await;
    for (view, there) in [
        ("plugins", "tbody tr"),
        ("plugins/word-filter", ".settings"),
        ("live", ".chart"),
        ("connections", "tbody tr"),
        ("rooms", "tbody tr"),
        ("accounts", "tbody tr"),
        ("log", ".log li"),
        ("audit", "tbody tr"),
        ("config", "pre"),
    ] {
        root.run("location.hash = arguments[0]", vec![json!(format!("#/{view}"))]).await;
        root.find(there).await;
        for (width, height, size) in [(390, 844, "-phone"), (1280, 800, "")] {
            for (dark, scheme) in [(true, "-dark"), (false, "")] {
                root.browser.look(width, height, dark).await;
                root.run(&axe, vec![]).await;
                assert_eq!(root.run(run, vec![]).await, json!([]), "{view}{size}{scheme}");
                root.browser.screenshot(&format!("console-{}{size}{scheme}", view.replace('/', "-"))).await;
            }
        }
    }
    root.browser.end().await;
}
