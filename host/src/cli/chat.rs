//! `natterjack chat`: a small terminal client for the native protocol.

mod conversation;
mod link;
mod render;
mod terminal;

use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Message;
use url::Url;

use self::conversation::{Action, Conversation, Identity};
use self::link::{BackOff, Lost, Received, Socket};
use self::terminal::Terminal;
use super::address;

/// How long an interactive client waits for the answers to its last lines before it leaves.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the client waits for the events of its own posts after they were acknowledged.
const EVENT_TIMEOUT: Duration = Duration::from_secs(2);

/// Talk in a room from the terminal.
///
/// Posts lines that are typed or piped in; /help lists the commands. Reconnects when the connection is lost, without losing or
/// duplicating messages. When piped input ends, leaves as soon as the server has all of it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server: HOST:PORT, http://HOST:PORT or ws://HOST:PORT/PATH
    #[arg(default_value = "ws://127.0.0.1:5000/ws/native")]
    url: String,
    /// The name to chat under as a guest
    #[arg(long, required_unless_present = "token")]
    name: Option<String>,
    /// The room to talk in: its name or its uid
    #[arg(long, default_value = "lobby")]
    room: String,
    /// An account's access token, instead of a guest's name
    #[arg(long, env = "NATTERJACK_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The room's password, if it has one
    #[arg(long)]
    password: Option<String>,
    /// Stay connected when piped input ends
    #[arg(long)]
    stay: bool,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let url = address::parse(&args.url)?;
    let identity = match (args.token, args.name) {
        (Some(token), _) => Identity::Token(token),
        (None, Some(name)) => Identity::Guest(name),
        (None, None) => bail!("no identity; wanted --name NAME for a guest, or --token TOKEN for an account"),
    };
    let socket = match link::connect(&url).await {
        Ok(socket) => socket,
        // The first attempt is not retried: the address may be wrong.
        Err(Lost::ForNow { why, .. } | Lost::ForGood(why)) => bail!("cannot reach {url}: {why}"),
    };
    let mut client = Client {
        conversation: Conversation::new(identity, args.room, args.password),
        terminal: Terminal::open()?,
        stay: args.stay,
        wake: None,
        input_ended: None,
        all_answered: None,
    };
    let outcome = client.run(&url, socket).await;
    let why = outcome.as_ref().map_or_else(ToString::to_string, |()| "the chat is over".to_owned());
    client.terminal.close(&why).await;
    outcome
}

struct Client {
    conversation: Conversation,
    terminal: Terminal,
    stay: bool,
    /// When to call `Conversation::woken`.
    wake: Option<Instant>,
    input_ended: Option<Instant>,
    /// When the server had answered everything after the end of the input.
    all_answered: Option<Instant>,
}

/// Why the client stopped using a connection.
enum End {
    Left,
    Lost(Lost),
}

impl Client {
    async fn run(&mut self, url: &Url, mut socket: Socket) -> Result<()> {
        let mut back_off = BackOff::default();
        loop {
            let end = self.converse(&mut socket).await?;
            let (why, wait) = match end {
                End::Left => {
                    // Sends a close frame; the server's answer no longer matters.
                    let _ = timeout(EVENT_TIMEOUT, socket.close(None)).await;
                    return self.farewell();
                }
                End::Lost(Lost::ForGood(why)) => bail!("{}", render::clean(&why)),
                End::Lost(Lost::ForNow { why, wait }) => (why, wait),
            };
            if self.conversation.is_joined() {
                back_off.reset();
            }
            self.conversation.lost();
            self.wake = None;
            socket = match self.reconnect(url, &mut back_off, why, wait).await? {
                Some(socket) => socket,
                None => return self.farewell(),
            };
        }
    }

    /// Retries until there is a connection; `None` if the user leaves before.
    async fn reconnect(
        &mut self,
        url: &Url,
        back_off: &mut BackOff,
        mut why: String,
        mut asked_for: Option<Duration>,
    ) -> Result<Option<Socket>> {
        loop {
            let wait = back_off.next(asked_for.take());
            let seconds = wait.as_secs_f32();
            self.terminal
                .print(&render::clean(&format!("* connection lost: {why}; trying again in {seconds:.1} s")))?;
            let retry = sleep(wait);
            tokio::pin!(retry);
            loop {
                if self.terminal.is_interactive() && self.input_ended.is_some() {
                    return Ok(None);
                }
                tokio::select! {
                    () = &mut retry => break,
                    line = self.terminal.line(), if self.wants_input() => {
                        // Offline, so the line is only queued.
                        self.typed(line);
                    }
                }
            }
            match link::connect(url).await {
                Ok(socket) => return Ok(Some(socket)),
                Err(Lost::ForNow { why: new_why, wait }) => (why, asked_for) = (new_why, wait),
                Err(Lost::ForGood(why)) => bail!("{}", render::clean(&why)),
            }
        }
    }

    /// Runs the conversation over one connection for as long as it lasts.
    async fn converse(&mut self, socket: &mut Socket) -> Result<End> {
        let mut actions = self.conversation.opened();
        let mut received_at = Instant::now();
        loop {
            if let Some(lost) = self.perform(actions, socket).await? {
                return Ok(End::Lost(lost));
            }
            let deadline = match self.leaving() {
                Leaving::No => None,
                Leaving::Now => return Ok(End::Left),
                Leaving::By(deadline) => deadline,
            };
            let wake = self.wake;
            let silence = self.conversation.silence();
            actions = tokio::select! {
                message = socket.next() => {
                    received_at = Instant::now();
                    match link::received(message) {
                        Ok(Received::Text(text)) => self.conversation.received(&text),
                        Ok(Received::Nothing) => Vec::new(),
                        Err(lost) => return Ok(End::Lost(lost)),
                    }
                }
                line = self.terminal.line(), if self.wants_input() => self.typed(line),
                () = until(wake) => {
                    self.wake = None;
                    self.conversation.woken()
                }
                () = until(deadline) => return Ok(End::Left),
                () = sleep_until(received_at + silence) => {
                    return Ok(End::Lost(Lost::for_now(format!("nothing received for {silence:?}"))));
                }
            };
        }
    }

    async fn perform(&mut self, actions: Vec<Action>, socket: &mut Socket) -> Result<Option<Lost>> {
        for what in actions {
            match what {
                Action::Print(line) => self.terminal.print(&line)?,
                Action::WakeIn(wait) => self.wake = Some(Instant::now() + wait),
                Action::Reconnect(why) => return Ok(Some(Lost::for_now(why))),
                Action::GiveUp(why) => return Ok(Some(Lost::ForGood(why))),
                // Bounded: the server may have stopped reading.
                Action::Send(frame) => {
                    match timeout(self.conversation.silence(), socket.send(Message::text(frame.to_string()))).await {
                        Ok(Ok(())) => {}
                        // The server's close frame is a better reason than the write error.
                        Ok(Err(error)) => {
                            return Ok(Some(close_reason(socket).await.unwrap_or(Lost::for_now(error.to_string()))));
                        }
                        Err(_) => return Ok(Some(Lost::for_now("the server does not read any more"))),
                    }
                }
            }
        }
        Ok(None)
    }

    fn wants_input(&self) -> bool {
        self.input_ended.is_none() && self.conversation.has_space()
    }

    fn typed(&mut self, line: Option<String>) -> Vec<Action> {
        match line {
            Some(line) => self.conversation.typed(&line),
            None => {
                self.input_ended = Some(Instant::now());
                Vec::new()
            }
        }
    }

    fn leaving(&mut self) -> Leaving {
        let Some(since) = self.input_ended.filter(|_| self.terminal.is_interactive() || !self.stay) else {
            return Leaving::No;
        };
        if self.conversation.unanswered() > 0 || !self.conversation.is_joined() {
            // A user does not want to wait, but piped input must arrive.
            return Leaving::By(self.terminal.is_interactive().then(|| since + ANSWER_TIMEOUT));
        }
        let answered = *self.all_answered.get_or_insert_with(Instant::now);
        if self.conversation.expects_events() { Leaving::By(Some(answered + EVENT_TIMEOUT)) } else { Leaving::Now }
    }

    fn farewell(&self) -> Result<()> {
        match (self.conversation.unanswered(), self.conversation.refused()) {
            (0, 0) => Ok(()),
            // A user has seen the refusals.
            (0, _) if self.terminal.is_interactive() => Ok(()),
            (0, refused) => bail!("refused lines: {refused}"),
            (unsent, _) => bail!("lines not sent to the server: {unsent}"),
        }
    }
}

/// Whether the client is about to leave.
enum Leaving {
    No,
    Now,
    /// Once everything is answered, or at this time at the latest.
    By(Option<Instant>),
}

/// Reads the reason of a close frame that arrived while we were sending.
async fn close_reason(socket: &mut Socket) -> Option<Lost> {
    let close = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return Some(link::closed(frame.as_ref()));
            }
        }
        None
    };
    timeout(EVENT_TIMEOUT, close).await.ok().flatten()
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
