//! Accounts of a server, and connections in their name.

use serde_json::{Value, json};

use super::{Client, Server};

/// Somebody who has signed up.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) password: String,
    pub(crate) token: String,
    pub(crate) refresh_token: String,
    pub(crate) id: String,
}

impl Server {
    pub(crate) async fn sign_up(&self, name: &str) -> Account {
        let password = format!("{name}'s password");
        let body = json!({"username": name, "password": password, "email": format!("{name}@example.org")});
        let (status, answer) = self.post("/api/auth/signup", None, &body).await;
        assert_eq!(status, 201, "{answer}");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        Account {
            name: name.to_owned(),
            password,
            token: text(&answer["token"]),
            refresh_token: text(&answer["refreshToken"]),
            id: text(&answer["user"]["id"]),
        }
    }

    /// Somebody with the admin flag.
    pub(crate) async fn administrator(&self, name: &str) -> Account {
        let account = self.sign_up(name).await;
        let output = self.setup().command(&["user", "admin", name]).output().await.expect("the program runs");
        assert!(output.status.success(), "{output:?}");
        account
    }

    /// A connection that has said nothing yet.
    pub(crate) async fn connect(&self) -> Client {
        Client::open(&format!("ws://{}/ws/native", self.address())).await
    }

    /// A connection of a new account.
    pub(crate) async fn join_as(&self, name: &str) -> Client {
        let account = self.sign_up(name).await;
        self.log_in(&account).await
    }

    pub(crate) async fn log_in(&self, account: &Account) -> Client {
        let mut client = self.connect().await;
        client.call("connect", json!({"token": account.token})).await.expect("a good token");
        client
    }

    pub(crate) async fn guest(&self, name: &str) -> Client {
        let mut client = self.connect().await;
        client.call("connect", json!({"guest": name})).await.expect("guests are let in");
        client
    }
}
