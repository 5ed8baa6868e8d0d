//! Checks the chat page with axe-core for accessibility faults.

use serde_json::json;

use super::visitor::Visitor;
use crate::harness::{INSTALLED, Server};

/// Asserts that there are no serious or critical faults, at phone and desktop sizes, in light and dark mode.
async fn check(visitor: &Visitor, place: &str) {
    let run = "return axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations
        .filter(({ impact }) => ['serious', 'critical'].includes(impact))
        .map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ''}`).join(' | ')}`))";
    let axe = std::fs::read_to_string(INSTALLED.join("node_modules/axe-core/axe.min.js")).unwrap();
    for (width, height, size) in [(390, 844, "-phone"), (1280, 800, "")] {
        for (dark, scheme) in [(true, "-dark"), (false, "")] {
            visitor.browser.look(width, height, dark).await;
            visitor.run(&axe, vec![]).await;
            let faults = visitor.run(run, vec![]).await;
            assert_eq!(faults, json!([]), "{place}{size}{scheme}");
            visitor.browser.screenshot(&format!("chat-{place}{size}{scheme}")).await;
        }
    }
}

#[tokio::test]
async fn chat_page_has_no_serious_accessibility_fault() {
    let server = Server::start().await;
    let ann = Visitor::come(&server).await;
    check(&ann, "login").await;
    ann.click("#tab-guest").await;
    check(&ann, "guest").await;
    ann.click("#tab-signup").await;
    check(&ann, "signup").await;
    ann.sign_up("ann").await;
    ann.find(".card").await;
    check(&ann, "home").await;

    ann.click("[aria-label='New room']").await;
    ann.click(".choice [value=private]").await;
    check(&ann, "new-room").await;
    ann.click("[aria-label=Close]").await;
    ann.click("[aria-label='Find a room']").await;
    ann.find(".found-room").await;
    check(&ann, "find-room").await;
    ann.click(".found-room").await;
    ann.find(".composer-field").await;
    ann.click("[aria-label='Your account']:not(:disabled)").await;
    ann.find("#account-name").await;
    check(&ann, "account").await;
    ann.click("[aria-label=Close]").await;

    let mut bob = server.join_as("bob").await;
    bob.join("lobby").await;
    bob.post("lobby", "a first word, with https://example.org in it").await.unwrap();
    ann.sees("a first word").await;
    ann.click("[aria-label='Search messages']").await;
    ann.write("#search-query", "word").await;
    ann.find(".found-room").await;
    check(&ann, "search").await;
    ann.click("[aria-label=Close]").await;
    ann.click("[data-message]").await;
    ann.click("[data-message]:focus-within [aria-label=React]").await;
    ann.click("[aria-label='React with 👍']").await;
    ann.find(".reaction").await;
    ann.click("[data-message]:focus-within [aria-label=Reply]").await;
    ann.say("a second one").await;
    ann.sees("a second one").await;
    ann.write(".composer-field", "/help\u{e00c}\u{e007}").await;
    ann.find(".line.own").await;
    check(&ann, "room").await;
    ann.write(".composer-field", "/").await;
    ann.find("#suggestions").await;
    check(&ann, "commands").await;
    ann.browser.end().await;
}
