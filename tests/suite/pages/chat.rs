//! The chat page, in Chromium.

use serde_json::json;

use super::visitor::Visitor;
use crate::harness::{Server, Setup};

const ENTER: &str = "\u{e007}";
const BURST: &str = "NATTERJACK__LIMITS__ATTEMPTS_BURST";
const ESCAPE: &str = "\u{e00c}";
const TAB: &str = "\u{e004}";
const DOWN: &str = "\u{e015}";
const UP: &str = "\u{e013}";

/// Two users in a private room that ann created.
async fn in_the_cellar(server: &Server) -> (Visitor, Visitor) {
    let (ann, bob) = tokio::join!(Visitor::come(server), Visitor::come(server));
    tokio::join!(ann.sign_up("ann"), bob.sign_up("bob"));
    ann.click("[aria-label='New room']").await;
    ann.write("#room-name", "cellar").await;
    ann.click(".choice [value=private]").await;
    ann.write("#room-password", "open sesame").await;
    ann.click(".dialog .primary").await;
    ann.find(".conversation[aria-label=cellar] .composer-field").await;

    bob.click("[aria-label='Find a room']").await;
    bob.write("#join-name", "cellar").await;
    bob.write("#join-password", &format!("wrong{ENTER}")).await;
    bob.find(".dialog [role=alert]").await;
    bob.find("#join-password").await.clear().await.unwrap();
    bob.write("#join-password", &format!("open sesame{ENTER}")).await;
    bob.find(".conversation[aria-label=cellar] .composer-field").await;
    (ann, bob)
}

#[tokio::test]
async fn two_users_use_all_features_in_a_private_room() {
    let server = Server::start().await;
    let (ann, bob) = in_the_cellar(&server).await;
    ann.say("is it dark in here?").await;
    bob.sees("is it dark in here?").await;

    // A reply shows what it is to.
    bob.click("[data-message]").await;
    bob.click("[data-message]:focus-within [aria-label=Reply]").await;
    bob.say("very").await;
    ann.sees("very").await;
    ann.until("document.querySelector('.quote')?.textContent.includes('is it dark in here?')").await;

    // A reaction.
    ann.run("[...document.querySelectorAll('[data-message]')].at(-1).focus()", vec![]).await;
    ann.click("[data-message]:focus-within [aria-label=React]").await;
    ann.click("[aria-label='React with 🐸']").await;
    bob.until("document.querySelector('.reaction')?.textContent.includes('🐸 1')").await;
    ann.until("document.querySelector('.reaction[aria-pressed=true]') !== null").await;

    // An edit, by the key that goes back to what was said last.
    ann.write(".composer-field", UP).await;
    ann.until("document.querySelector('.composer-field').value === 'is it dark in here?'").await;
    ann.write(".composer-field", &format!(" I cannot see{ENTER}")).await;
    bob.sees("is it dark in here? I cannot see").await;
    bob.find(".edited").await;

    // A command is completed, with what it takes, and everybody sees what it did.
    ann.write(".composer-field", "/ro").await;
    ann.find("#suggestions").await;
    ann.write(".composer-field", DOWN).await;
    ann.until("document.querySelector('#suggestions li[aria-selected=true]')?.textContent.startsWith('/roll')").await;
    ann.browser.screenshot("chat-command").await;
    ann.write(".composer-field", TAB).await;
    ann.write(".composer-field", &format!("1d6{ENTER}")).await;
    bob.sees("ann rolls 1d6").await;

    // A picture is pasted, and is there for the other one.
    let paste = "const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], 'dot.png', { type: 'image/png' }));
        const field = document.querySelector('.composer-field');
        field.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))";
    let dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
    bob.run(paste, vec![json!(dot)]).await;
    bob.find(".draft-file.ready").await;
    bob.say("look").await;
    ann.until("document.querySelector('img.picture')?.naturalWidth === 1").await;

    // Each sees that the other one is there, and has read it.
    ann.until("document.querySelectorAll('.members .person .online').length === 2").await;
    bob.until("document.querySelector('.seen')?.textContent.includes('ann')").await;
    bob.write(".composer-field", "hm").await;
    ann.until("document.querySelector('.typing')?.textContent.includes('bob is writing')").await;

    // A deletion leaves its place.
    bob.find(".composer-field").await.clear().await.unwrap();
    bob.run("[...document.querySelectorAll('[data-message].mine')].at(-1).focus()", vec![]).await;
    bob.click("[data-message]:focus-within [aria-label=Delete]").await;
    bob.click(".dialog .danger").await;
    ann.sees("This message was deleted.").await;
    ann.browser.screenshot("chat-room").await;
    bob.browser.look(390, 844, true).await;
    bob.browser.screenshot("chat-room-phone-dark").await;
    ann.browser.end().await;
    bob.browser.end().await;
}

#[tokio::test]
async fn message_text_is_never_rendered_as_markup() {
    let server = Server::start().await;
    let (ann, bob) = in_the_cellar(&server).await;
    for hostile in [
        "<script>window.harmed = true</script>",
        "<img src=x onerror=\"window.harmed = true\">",
        "javascript:window.harmed=true",
        "https://example.org/\"onmouseover=\"window.harmed=true",
        "{\"__html\": \"<b>bold</b>\", \"constructor\": null}",
    ] {
        bob.say(hostile).await;
        ann.sees(hostile).await;
    }
    let inner = "document.querySelectorAll('.body :is(script, img, b), .body [onerror], .body [onmouseover]').length";
    assert_eq!(ann.run(&format!("return {inner}"), vec![]).await, 0);
    assert_eq!(ann.run("return window.harmed ?? null", vec![]).await, json!(null));
    let links = "return [...document.querySelectorAll('.body a')].map((link) => link.href)";
    assert_eq!(ann.run(links, vec![]).await, json!(["https://example.org/"]));
    ann.browser.end().await;
    bob.browser.end().await;
}

#[tokio::test]
async fn offline_messages_are_sent_once_after_reconnect() {
    let mut server = Server::start().await;
    let port = server.address().rsplit(':').next().unwrap().to_owned();
    let (ann, bob) = in_the_cellar(&server).await;
    ann.say("before").await;
    bob.sees("before").await;
    server.kill().await;
    ann.find(".banner").await;
    ann.say("meanwhile").await;
    ann.find("[data-unsent]").await;
    ann.browser.screenshot("chat-offline").await;

    server.start_again_on(&port).await;
    for visitor in [&ann, &bob] {
        visitor.run("document.querySelector('.banner .button')?.click()", vec![]).await;
    }
    ann.sees("meanwhile").await;
    bob.sees("meanwhile").await;
    ann.until("document.querySelector('[data-unsent], .banner') === null").await;
    ann.say("after").await;
    bob.sees("after").await;
    for visitor in [&ann, &bob] {
        for text in ["before", "meanwhile", "after"] {
            assert_eq!(visitor.count(text).await, 1, "{text}");
        }
    }

    // A reload keeps the login and the open room.
    ann.browser.client.refresh().await.unwrap();
    ann.sees("meanwhile").await;
    assert_eq!(ann.count("meanwhile").await, 1);
    ann.browser.end().await;
    bob.browser.end().await;
}

#[tokio::test]
async fn tabs_share_a_login_with_rotating_tokens() {
    let server =
        Setup::new().replace("access_ttl = \"24h\"", "access_ttl = \"4s\"").variable(BURST, "1000").start().await;
    let ann = Visitor::come(&server).await;
    ann.sign_up("ann").await;
    let client = &ann.browser.client;
    for _ in 0..2 {
        let tab = client.new_window(true).await.unwrap();
        client.switch_to_window(tab.handle).await.unwrap();
        client.goto(&server.url("/")).await.unwrap();
        ann.find(".sidebar .me").await;
    }
    // Three tokens on, in whichever tab they were traded.
    let token = "JSON.parse(localStorage.getItem('natterjack/login'))?.token";
    for _ in 0..3 {
        let before = ann.run(&format!("return {token}"), vec![]).await;
        ann.until(&format!("{token} !== {before}")).await;
    }
    for tab in client.windows().await.unwrap() {
        client.switch_to_window(tab).await.unwrap();
        ann.until("document.querySelector('.me')?.textContent.includes('online')").await;
    }
    // Log-out in one tab applies to all.
    ann.click("[aria-label='Log out']").await;
    ann.click(".dialog .primary").await;
    for tab in client.windows().await.unwrap() {
        client.switch_to_window(tab).await.unwrap();
        ann.find(".entry").await;
    }
    ann.browser.end().await;
}

#[tokio::test]
async fn direct_messages_are_counted_while_another_room_is_open() {
    let server = Server::start().await;
    let (ann, bob) = tokio::join!(Visitor::come(&server), Visitor::come(&server));
    tokio::join!(ann.sign_up("ann"), bob.sign_up("bob"));
    ann.click("[aria-label='New message']").await;
    ann.write("#to-name", &format!("bob{ENTER}")).await;
    ann.find(".conversation[aria-label=bob] .composer-field").await;
    ann.say("psst").await;
    ann.say("over here").await;
    bob.until("document.querySelector('.room-link .count')?.textContent === '2'").await;
    bob.until("document.title.startsWith('(2)')").await;
    bob.click(".room-link").await;
    bob.sees("psst").await;
    bob.find(".new").await;
    bob.until("document.querySelector('.room-link .count') === null").await;
    ann.until("document.querySelector('.seen')?.textContent === 'Seen by bob'").await;
    ann.browser.end().await;
    bob.browser.end().await;
}

#[tokio::test]
async fn scrolling_up_loads_older_messages_without_jumps() {
    let server = Server::start().await;
    let (account, mut bob) = (server.sign_up("ann").await, server.join_as("bob").await);
    let mut there = server.log_in(&account).await;
    there.join("lobby").await;
    bob.join("lobby").await;
    for number in 1..=130 {
        bob.post("lobby", &format!("number {number}.")).await.unwrap();
    }
    let ann = Visitor::come(&server).await;
    ann.write("#username", "ann").await;
    ann.write("#password", &format!("{}{ENTER}", account.password)).await;
    ann.until("document.querySelector('.room-link .count')?.textContent === '99+'").await;
    ann.click(".room-link").await;
    ann.sees("number 130.").await;
    assert_eq!(ann.count("number 1.").await, 0);
    let top = "document.querySelector('.timeline').scrollTop";
    ann.until(&format!("{top} > 0")).await;

    // What is in sight stays where it is while older ones come in above it.
    ann.run(&format!("{top} = 150; window.seen = document.querySelectorAll('[data-message]')[5]; window.place = seen.getBoundingClientRect().top"), vec![]).await;
    ann.until("document.querySelectorAll('[data-message]').length >= 100").await;
    let moved = ann.run("return Math.abs(window.seen.getBoundingClientRect().top - window.place)", vec![]).await;
    assert!(moved.as_f64().unwrap() < 2.0, "it moved by {moved} pixels");
    ann.until(&format!("({top} = 0) === 0 && document.querySelectorAll('[data-message]').length === 130")).await;
    for number in [1, 64, 130] {
        assert_eq!(ann.count(&format!("number {number}.")).await, 1);
    }
    ann.find(".beginning").await;
    // What is new while one reads further up does not take one away from there, but says so.
    bob.post("lobby", "the latest").await.unwrap();
    ann.until("document.querySelector('.to-end')?.textContent.includes('1 new')").await;
    ann.until(&format!("{top} < 100")).await;
    ann.click(".to-end").await;
    ann.until("document.querySelector('.to-end') === null && document.querySelector('.room-link .count') === null")
        .await;
    ann.browser.end().await;
}

#[tokio::test]
async fn guest_chats_where_guests_are_allowed() {
    let server = Server::start().await;
    let gus = Visitor::come(&server).await;
    gus.click("#tab-guest").await;
    gus.write("#guest", &format!("gus{ENTER}")).await;
    gus.click(".card").await;
    gus.find(".composer-field").await;
    gus.say("hello from a guest").await;
    gus.sees("hello from a guest").await;
    gus.browser.end().await;

    let closed = Setup::new().replace("guests = true", "guests = false").start().await;
    let nobody = Visitor::come(&closed).await;
    assert_eq!(nobody.run("return document.querySelectorAll('[role=tab]').length", vec![]).await, 2);
    nobody.browser.end().await;
}

#[tokio::test]
async fn page_is_usable_by_keyboard_alone() {
    let server = Server::start().await;
    let ann = Visitor::come(&server).await;
    // From the one that is chosen, arrow keys go to the other ways in.
    ann.tab_to("Log in").await;
    ann.press("\u{e014}").await;
    ann.tab_to("Name").await;
    ann.press("ann").await;
    ann.tab_to("Password").await;
    ann.press(&format!("correct horse{ENTER}")).await;
    ann.find(".card").await;
    ann.tab_to("lobby").await;
    ann.press(ENTER).await;
    // The focus is where one writes.
    ann.until("document.activeElement?.matches('.composer-field')").await;
    ann.press(&format!("by hand{ENTER}")).await;
    ann.sees("by hand").await;
    // To the messages, to the last of them, and to what can be done with it.
    ann.back_to("Messages in lobby").await;
    ann.press(UP).await;
    ann.until("document.activeElement?.matches('[data-message]')").await;
    ann.tab_to("Delete").await;
    ann.press(ENTER).await;
    ann.until("document.activeElement?.closest('dialog') !== null").await;
    ann.press(ESCAPE).await;
    ann.until("document.querySelector('dialog') === null && document.activeElement?.matches('[data-message]')").await;
    ann.browser.end().await;
}
