//! The chat page's search and account dialogs.

use serde_json::json;

use super::visitor::Visitor;
use crate::harness::Server;

const ENTER: &str = "\u{e007}";

#[tokio::test]
async fn search_result_is_shown_in_its_context() {
    let server = Server::start().await;
    let (account, mut bob) = (server.sign_up("ann").await, server.join_as("bob").await);
    server.log_in(&account).await.join("lobby").await;
    bob.join("lobby").await;
    bob.post("lobby", "there is a newt in the well").await.unwrap();
    for number in 1..=110 {
        bob.post("lobby", &format!("number {number}.")).await.unwrap();
    }
    let ann = Visitor::come(&server).await;
    ann.write("#username", "ann").await;
    ann.write("#password", &format!("{}{ENTER}", account.password)).await;
    ann.click(".room-link").await;
    ann.sees("number 110.").await;
    assert_eq!(ann.count("newt").await, 0, "it is far above");

    ann.click("[aria-label='Search messages']").await;
    ann.write("#search-query", "heron").await;
    ann.until("document.querySelector('.dialog [role=status]').textContent.startsWith('No messages found')").await;
    ann.find("#search-query").await.clear().await.unwrap();
    ann.write("#search-query", "well newt").await;
    ann.until("document.querySelectorAll('.dialog .found-room').length === 1").await;
    ann.click(".dialog .found-room").await;
    ann.until("document.activeElement?.matches('[data-message]') && document.activeElement.textContent.includes('a newt in the well')")
        .await;
    let box_of = "document.activeElement.getBoundingClientRect()";
    ann.until(&format!("{box_of}.top > 0 && {box_of}.bottom < innerHeight")).await;
    // It is looked at from everywhere too.
    ann.click(".brand").await;
    ann.click(".home-actions .button:last-child").await;
    ann.write("#search-query", "number 7.").await;
    ann.until("document.querySelector('.dialog .found-room')?.textContent.includes('in lobby')").await;
    ann.browser.screenshot("chat-search").await;
    ann.browser.end().await;
}

#[tokio::test]
async fn account_is_changed_and_deleted_in_its_dialog() {
    let server = Server::start().await;
    let ann = Visitor::come(&server).await;
    ann.sign_up("ann").await;
    ann.click("[aria-label='Your account']:not(:disabled)").await;
    ann.write("#account-email", &format!("ann@example.org{ENTER}")).await;
    let says = |text: &str| {
        let text = json!(text);
        format!(
            "[...document.querySelectorAll('.settings [role=status]')].some((said) => said.textContent.startsWith({text}))"
        )
    };
    ann.until(&says("Saved")).await;
    ann.write("#password-now", "wrong").await;
    ann.write("#password-new", &format!("battery staple{ENTER}")).await;
    ann.find(".settings [role=alert]").await;
    ann.find("#password-now").await.clear().await.unwrap();
    ann.write("#password-now", &format!("correct horse{ENTER}")).await;
    ann.until(&says("Changed")).await;
    ann.browser.screenshot("chat-account").await;

    // Under another name one is still in.
    ann.find("#account-name").await.clear().await.unwrap();
    ann.write("#account-name", &format!("anna{ENTER}")).await;
    ann.until("document.querySelector('.me')?.textContent.includes('anna')").await;
    ann.click("[aria-label='Your account']:not(:disabled)").await;
    ann.until("document.querySelector('#account-email')?.value === 'ann@example.org'").await;
    ann.click(".settings section form .button").await;
    ann.find(".entry").await;

    ann.write("#username", "ann@example.org").await;
    ann.write("#password", &format!("battery staple{ENTER}")).await;
    ann.click("[aria-label='Your account']:not(:disabled)").await;
    ann.click(".settings section > .button").await;
    ann.write("#password-delete", &format!("battery staple{ENTER}")).await;
    ann.find(".entry").await;
    let again = json!({"username": "anna", "password": "battery staple"});
    assert_eq!(server.post("/api/auth/login", None, &again).await.0, 401);
    ann.browser.end().await;
}
