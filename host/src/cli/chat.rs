//! `natterjack chat`: a small terminal client. It speaks the native protocol and knows nothing else of the server.

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

use self::conversation::{Conversation, Do, Identity};
use self::link::{BackOff, Heard, Lost, Socket};
use self::terminal::Terminal;
use super::address;

/// How long a person who leaves waits for what was typed to arrive.
const LAST_WORDS: Duration = Duration::from_secs(3);
/// How long the own posts' events are waited for after the posts were acknowledged.
const LAST_EVENTS: Duration = Duration::from_secs(2);

/// Talk in a room from the terminal.
///
/// Lines that are typed, or piped in, are posted; /help lists the commands. A lost connection is made again, and nothing is
/// lost or doubled. When piped input ends, leaves as soon as the server has all of it.
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
    /// Go on listening when piped input ends
    #[arg(long)]
    stay: bool,
}

pub(super) async fn run(args: Args) -> Result<()> {
    let url = address::parse(&args.url)?;
    let identity = match (args.token, args.name) {
        (Some(token), _) => Identity::Token(token),
        (None, Some(name)) => Identity::Guest(name),
        (None, None) => bail!("who are you? wanted --name NAME, or --token TOKEN for an account"),
    };
    let socket = match link::connect(&url).await {
        Ok(socket) => socket,
        // Nothing was lost yet, and the address may be wrong.
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
    /// When to wake the conversation.
    wake: Option<Instant>,
    input_ended: Option<Instant>,
    /// When, after that, the server had answered everything.
    all_answered: Option<Instant>,
}

/// How a connection's talk ended.
enum End {
    Left,
    Lost(Lost),
}

impl Client {
    async fn run(&mut self, url: &Url, mut socket: Socket) -> Result<()> {
        let mut back_off = BackOff::default();
        loop {
            let end = self.talk(&mut socket).await?;
            let (why, wait) = match end {
                End::Left => {
                    // The server learns that this was meant; how it answers no longer matters.
                    let _ = timeout(LAST_EVENTS, socket.close(None)).await;
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

    /// Tries until there is a connection; none if the person leaves before.
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
                        // Offline, so there is nothing to do but to remember it.
                        self.typed(line);
                    }
                }
            }
            match link::connect(url).await {
                Ok(socket) => return Ok(Some(socket)),
                Err(Lost::ForNow { why: for_subscribers, wait }) => (why, asked_for) = (for_subscribers, wait),
                Err(Lost::ForGood(why)) => bail!("{}", render::clean(&why)),
            }
        }
    }

    /// Talks over one connection for as long as it lasts.
    async fn talk(&mut self, socket: &mut Socket) -> Result<End> {
        let mut to_do = self.conversation.opened();
        let mut heard_at = Instant::now();
        loop {
            if let Some(lost) = self.perform(to_do, socket).await? {
                return Ok(End::Lost(lost));
            }
            let deadline = match self.leaving() {
                Leaving::No => None,
                Leaving::Now => return Ok(End::Left),
                Leaving::By(deadline) => deadline,
            };
            let wake = self.wake;
            let silence = self.conversation.silence();
            to_do = tokio::select! {
                message = socket.next() => {
                    heard_at = Instant::now();
                    match link::heard(message) {
                        Ok(Heard::Text(text)) => self.conversation.heard(&text),
                        Ok(Heard::Nothing) => Vec::new(),
                        Err(lost) => return Ok(End::Lost(lost)),
                    }
                }
                line = self.terminal.line(), if self.wants_input() => self.typed(line),
                () = until(wake) => {
                    self.wake = None;
                    self.conversation.woken()
                }
                () = until(deadline) => return Ok(End::Left),
                () = sleep_until(heard_at + silence) => {
                    return Ok(End::Lost(Lost::for_now(format!("nothing heard for {silence:?}"))));
                }
            };
        }
    }

    async fn perform(&mut self, to_do: Vec<Do>, socket: &mut Socket) -> Result<Option<Lost>> {
        for what in to_do {
            match what {
                Do::Print(line) => self.terminal.print(&line)?,
                Do::WakeIn(wait) => self.wake = Some(Instant::now() + wait),
                Do::Reconnect(why) => return Ok(Some(Lost::for_now(why))),
                Do::GiveUp(why) => return Ok(Some(Lost::ForGood(why))),
                // A server that takes nothing any more must not hold us for ever.
                Do::Send(frame) => {
                    match timeout(self.conversation.silence(), socket.send(Message::text(frame.to_string()))).await {
                        Ok(Ok(())) => {}
                        // What it said before it went is worth more than that it went.
                        Ok(Err(error)) => {
                            return Ok(Some(last_words(socket).await.unwrap_or(Lost::for_now(error.to_string()))));
                        }
                        Err(_) => return Ok(Some(Lost::for_now("the server takes nothing any more"))),
                    }
                }
            }
        }
        Ok(None)
    }

    fn wants_input(&self) -> bool {
        self.input_ended.is_none() && self.conversation.has_space()
    }

    fn typed(&mut self, line: Option<String>) -> Vec<Do> {
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
            // A person does not want to wait; what is piped must arrive.
            return Leaving::By(self.terminal.is_interactive().then(|| since + LAST_WORDS));
        }
        let answered = *self.all_answered.get_or_insert_with(Instant::now);
        if self.conversation.expects_events() { Leaving::By(Some(answered + LAST_EVENTS)) } else { Leaving::Now }
    }

    fn farewell(&self) -> Result<()> {
        match (self.conversation.unanswered(), self.conversation.refused()) {
            (0, 0) => Ok(()),
            // A person has seen what was refused.
            (0, _) if self.terminal.is_interactive() => Ok(()),
            (0, refused) => bail!("lines that were refused: {refused}"),
            (unsent, _) => bail!("lines that did not reach the server: {unsent}"),
        }
    }
}

/// Whether it is time to go.
enum Leaving {
    No,
    Now,
    /// When all is done, or at the latest at this time.
    By(Option<Instant>),
}

/// The reason for a close that was under way while we were sending.
async fn last_words(socket: &mut Socket) -> Option<Lost> {
    let close = async {
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Close(frame) = message {
                return Some(link::closed(frame.as_ref()));
            }
        }
        None
    };
    timeout(LAST_EVENTS, close).await.ok().flatten()
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
