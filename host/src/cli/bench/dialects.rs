//! The scenario `dialects`: one room with clients of all dialects.

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use url::Url;

use super::Nodes;
use super::client::{Client, Who};
use super::crowd::{self, Account, Crowd, make, run_name};

/// Connects `each` clients of every dialect. Native clients come first, so that they are the senders.
pub(super) async fn crowd(nodes: &Nodes, each: usize) -> Result<Crowd> {
    let run = run_name();
    let mut maker = Client::native(nodes.of(0), Who::Guest(&run)).await?;
    let made = crowd::make_room(&mut maker, &run).await?;
    let name = |key: &str| made["room"][key].as_str().map(str::to_owned).context("the created room has no uid or code");
    let (uid, code) = (&name("uid")?, &name("code")?);
    let accounts = make("signing up", each, |index| {
        let name = format!("{run}-{index}");
        async move { crowd::sign_up(nodes.of(index), &name).await }
    });
    let accounts = &accounts.await?;
    let run = &run;
    // Dialects without a join command receive the room's messages because their account has joined.
    let mut room = make("native", each, |index| async move {
        let mut client = Client::native(nodes.of(index), Who::Token(&accounts[index].token)).await?;
        client.join(uid, None).await?;
        Ok(client)
    })
    .await?;
    room.extend(make("groups", each, |index| groups(nodes.of(index), run, index)).await?);
    room.extend(make("rooms", each, |index| rooms(nodes.of(index), run, index, code)).await?);
    room.extend(make("go", each, |index| by_token(nodes.of(index), "/ws/go", &accounts[index], "connected")).await?);
    room.extend(
        make("direct", each, |index| by_token(nodes.of(index), "/ws/direct", &accounts[index], "isOnline")).await?,
    );
    room.extend(make("echo-sessions", each, |index| sessions(nodes.of(index), &accounts[index], uid)).await?);
    crowd::gather(&mut room).await?;
    Ok(Crowd { rooms: vec![room] })
}

fn at(url: &Url, path: &str) -> Url {
    let mut url = url.clone();
    url.set_path(path);
    url
}

async fn groups(url: &Url, run: &str, index: usize) -> Result<Client> {
    let mut client = Client::plain(&at(url, "/ws/groups")).await?;
    let enter = json!({"type": "first-connect", "name": format!("{run}-g{index}"), "group": run});
    client.ask(enter.to_string(), "acknowledge-connect").await?;
    Ok(client)
}

async fn rooms(url: &Url, run: &str, index: usize, code: &str) -> Result<Client> {
    let mut client = Client::plain(&at(url, "/ws/rooms")).await?;
    let enter = json!({"type": "join", "payload": {"name": format!("{run}-r{index}"), "roomId": code, "pass": ""}});
    client.ask(enter.to_string(), "Successfully joined").await?;
    Ok(client)
}

async fn by_token(url: &Url, path: &str, account: &Account, welcome: &str) -> Result<Client> {
    let token =
        HeaderValue::try_from(format!("Bearer {}", account.token)).context("the token is not a valid header value")?;
    let mut client = Client::plain_with(&at(url, path), (header::AUTHORIZATION, token)).await?;
    client.wait_for(welcome).await?;
    Ok(client)
}

async fn sessions(url: &Url, account: &Account, room: &str) -> Result<Client> {
    let mut client = Client::socket_io(url, &json!({"token": account.token}).to_string()).await?;
    client.ask(format!("420{}", json!(["join-session", room])), "430[").await?;
    Ok(client)
}
