//! A user of the pages, in a browser.

use fantoccini::Locator;
use fantoccini::elements::Element;
use serde_json::{Value, json};

use crate::harness::{Browser, PATIENCE, Server};

pub(super) struct Visitor {
    pub(super) browser: Browser,
}

impl Visitor {
    /// Opens the server's address.
    pub(super) async fn come(server: &Server) -> Self {
        Self::at(server, "/", ".entry-foot").await
    }

    /// Opens a page, and waits for this element.
    pub(super) async fn at(server: &Server, path: &str, there: &str) -> Self {
        let browser = Browser::start().await;
        browser.look(1280, 800, false).await;
        browser.client.goto(&server.url(path)).await.unwrap();
        let visitor = Self { browser };
        visitor.find(there).await;
        visitor
    }

    pub(super) async fn sign_up(&self, name: &str) {
        self.click("#tab-signup").await;
        self.find("#email").await;
        self.write("#username", name).await;
        self.write("#password", "correct horse").await;
        self.click(".entry-form .primary").await;
        self.find(".sidebar .me").await;
    }

    pub(super) async fn find(&self, selector: &str) -> Element {
        let found = self.browser.client.wait().at_most(PATIENCE).for_element(Locator::Css(selector)).await;
        match found {
            Ok(element) => element,
            Err(error) => panic!("there is no {selector}: {error}; the page says:\n{}", self.text().await),
        }
    }

    pub(super) async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    pub(super) async fn write(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap();
    }

    /// Writes a message, or a command.
    pub(super) async fn say(&self, text: &str) {
        self.write(".composer-field", &format!("{text}\u{e007}")).await;
    }

    /// The visible text of the page.
    pub(super) async fn text(&self) -> String {
        self.run("return document.body.innerText", vec![]).await.as_str().unwrap_or_default().to_owned()
    }

    pub(super) async fn run(&self, script: &str, args: Vec<Value>) -> Value {
        self.browser.client.execute(script, args).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Waits until a JavaScript expression is truthy; returns its value.
    pub(super) async fn until(&self, expression: &str) -> Value {
        let script = format!(
            "const ends = Date.now() + arguments[0];
             return new Promise((resolve) => {{
               const look = () => {{
                 const found = ({expression});
                 if (found) resolve(found);
                 else if (Date.now() > ends) resolve(null);
                 else setTimeout(look, 30);
               }};
               look();
             }})"
        );
        let found = self.run(&script, vec![json!(PATIENCE.as_millis() as u64)]).await;
        if found.is_null() {
            panic!("never was: {expression}; the page says:\n{}", self.text().await);
        }
        found
    }

    /// Waits until a message with this text is shown.
    pub(super) async fn sees(&self, text: &str) {
        self.until(&format!("{} > 0", shown(text))).await;
    }

    /// How many messages with this text are shown.
    pub(super) async fn count(&self, text: &str) -> u64 {
        self.run(&format!("return {}", shown(text)), vec![]).await.as_u64().unwrap()
    }
}

/// A JavaScript expression for the number of messages with this text.
fn shown(text: &str) -> String {
    let text = json!(text);
    format!(
        "[...document.querySelectorAll('[data-message] .body')].filter((body) => body.textContent.includes({text})).length"
    )
}

/// Use of the page by keyboard.
impl Visitor {
    /// Presses keys, wherever the focus is.
    pub(super) async fn press(&self, keys: &str) {
        let focused = self.browser.client.active_element().await.unwrap();
        focused.send_keys(keys).await.unwrap();
    }

    /// Presses Tab until the element of this name has the focus.
    pub(super) async fn tab_to(&self, name: &str) {
        self.step_to("\u{e004}", name).await;
    }

    /// Presses Shift+Tab until the element of this name has the focus.
    pub(super) async fn back_to(&self, name: &str) {
        self.step_to("\u{e008}\u{e004}", name).await;
    }

    async fn step_to(&self, keys: &str, name: &str) {
        let called = "const here = document.activeElement;
            return here.getAttribute('aria-label') ?? here.labels?.[0]?.textContent ?? here.textContent";
        let mut passed = Vec::new();
        for _ in 0..60 {
            self.press(keys).await;
            let here = self.run(called, vec![]).await.as_str().unwrap_or_default().trim().to_owned();
            if here.starts_with(name) {
                return;
            }
            passed.push(here);
        }
        panic!("the tab key never comes to {name}, only to {passed:?}");
    }
}
