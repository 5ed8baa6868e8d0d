//! `natterjack user`: manages accounts directly in the database, whether a server is running or not.

mod audit;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use crate::accounts::{Accounts, SignUp};
use crate::clock::{Timestamp, now};
use crate::config::{self, Config};
use crate::database::{Database, NameConflict, User};
use crate::server;

/// How many users are read at a time.
const PAGE_SIZE: u32 = 500;

/// Manage accounts.
///
/// Works on the database that the configuration names, whether a server is running or not; a running server applies changes
/// within seconds. Run it in the server's folder, or pass --config.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server's configuration file
    #[arg(long, short, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Add an account
    Add {
        name: String,
        /// Make it an administrator
        #[arg(long)]
        admin: bool,
        #[arg(long, value_name = "ADDRESS")]
        email: Option<String>,
        /// Read the password from standard input, up to the end of its first line
        #[arg(long)]
        password_stdin: bool,
        /// Import the hash of an existing password: $argon2id$…, or bcrypt's $2a$…, $2b$… or $2y$… (in single quotes, or
        /// the shell expands it)
        #[arg(long, value_name = "HASH", conflicts_with = "password_stdin")]
        hash: Option<String>,
    },
    /// List all accounts
    List,
    /// List accounts and rooms whose names count as equal: each of them is found only by its exact spelling
    Conflicts,
    /// Make an account an administrator, who may use /api/admin and `natterjack plugin list, enable …`
    Admin {
        name: String,
        /// Revoke it
        #[arg(long)]
        off: bool,
    },
    /// Disable an account; all its logins end, and open connections within seconds
    Disable { name: String },
    /// Enable an account again
    Enable { name: String },
    /// Delete an account for good: its messages stay, as a deleted account's; a running server, or the next one to start,
    /// removes it from its rooms and its name from everywhere
    Delete {
        name: String,
        /// Delete its messages and files too
        #[arg(long)]
        erase: bool,
    },
    /// Set an account's password; all its logins end, and open connections within seconds
    Password {
        name: String,
        /// Read the password from standard input, up to the end of its first line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Print a fresh access token, for scripts: NATTERJACK_TOKEN=$(natterjack user token NAME)
    Token { name: String },
}

pub(super) async fn run(args: Args) -> Result<()> {
    let config = Config::load(args.config.as_deref(), config::environment())?;
    let options = server::database_options(&config);
    if let Some(file) = options.file().filter(|file| !file.exists()) {
        let file = file.display();
        match args.action {
            Action::Add { .. } => eprintln!("natterjack: there was no database {file}: it is created now"),
            _ => bail!("there is no database {file}; run this in the server's folder, or pass the server's --config"),
        }
    }
    let (accounts, database) = server::open_accounts(&config).await?;
    let done = match args.action.audit_name() {
        Some((what, on)) => audit::audited(&database, (what, &on), act(args.action, &accounts, &database)).await,
        None => act(args.action, &accounts, &database).await,
    };
    database.close().await;
    match done?.as_str() {
        "" => {}
        text => say!("{text}"),
    }
    Ok(())
}

/// Runs an action; returns the text to print.
async fn act(action: Action, accounts: &Accounts, database: &Database) -> Result<String> {
    Ok(match action {
        Action::Add { name, admin, email, password_stdin, hash } => {
            let user = match hash {
                Some(hash) => accounts.import(&name, email.as_deref(), &hash).await?,
                None => {
                    let password = password(password_stdin)?;
                    accounts.add(SignUp { username: name, email, password, handle: None }).await?
                }
            };
            if admin {
                database.set_admin(user.uid, true, now()).await?;
            }
            format!("{} was added{}", user.username, if admin { ", an administrator" } else { "" })
        }
        Action::List => list(database).await?,
        Action::Conflicts => conflicts(database).await?,
        Action::Admin { name, off } => {
            let user = find(database, &name).await?;
            database.set_admin(user.uid, !off, now()).await?;
            format!("{} is {} an administrator", user.username, if off { "no longer" } else { "now" })
        }
        Action::Disable { name } => {
            let user = find(database, &name).await?;
            accounts.disable(&user).await?;
            format!("{} is disabled", user.username)
        }
        Action::Enable { name } => {
            let user = find(database, &name).await?;
            accounts.enable(&user).await?;
            format!("{} is enabled", user.username)
        }
        Action::Delete { name, erase } => {
            let user = find(database, &name).await?;
            accounts.delete(user.uid, erase).await?;
            let too = if erase { "; the server deletes its messages and files" } else { "" };
            format!("{} is deleted{too}", user.username)
        }
        Action::Password { name, password_stdin } => {
            let user = find_local(database, &name).await?;
            accounts.set_password(&user, password(password_stdin)?).await?;
            format!("{} has a new password, and is logged out everywhere", user.username)
        }
        Action::Token { name } => {
            let user = find_local(database, &name).await?;
            if user.disabled_at.is_some() {
                bail!("{} is disabled; `natterjack user enable {name}` enables it again", user.username);
            }
            accounts.begin(user).await?.token
        }
    })
}

async fn find(database: &Database, name: &str) -> Result<User> {
    let found = match database.user_by_login(name).await? {
        Some(user) => Some(user),
        None => database.external_user_named(name).await?,
    };
    found.with_context(|| format!("there is no account {name}; `natterjack user list` lists the accounts"))
}

/// An account with a password on this server.
async fn find_local(database: &Database, name: &str) -> Result<User> {
    let user = find(database, name).await?;
    if database.user_by_login(name).await?.is_none() {
        bail!("{} is an account of an external issuer: it has no password and no tokens here", user.username);
    }
    Ok(user)
}

async fn list(database: &Database) -> Result<String> {
    let (mut lines, mut after) = (Vec::new(), 0);
    loop {
        let users = database.users(None, after, PAGE_SIZE).await?;
        let Some(last) = users.last() else { return Ok(lines.join("\n")) };
        after = last.id;
        for user in &users {
            let mut about = format!("since {}", Timestamp(user.created_at));
            if let Some(email) = &user.email {
                about.push_str(&format!(", {email}"));
            }
            if user.is_admin {
                about.push_str(", administrator");
            }
            if let Some(since) = user.disabled_at {
                about.push_str(&format!(", DISABLED since {}", Timestamp(since)));
            }
            lines.push(format!("{:<24} {about}", user.username));
        }
    }
}

/// One line per key that several accounts or rooms share.
async fn conflicts(database: &Database) -> Result<String> {
    let (accounts, rooms) = database.name_conflicts().await?;
    let lines = |what: &str, conflicts: Vec<NameConflict>| {
        let line = |conflict: NameConflict| {
            let names: Vec<String> = conflict.names.iter().map(|(name, id)| format!("{name} ({id})")).collect();
            format!("{what} {}", names.join(", "))
        };
        conflicts.into_iter().map(line).collect::<Vec<_>>()
    };
    let found = [lines("accounts", accounts), lines("rooms   ", rooms)].concat();
    Ok(match found.is_empty() {
        true => "no two accounts and no two rooms have names that count as equal".to_owned(),
        false => found.join("\n"),
    })
}

fn password(from_stdin: bool) -> Result<String> {
    if from_stdin {
        return line();
    }
    if !std::io::stdin().is_terminal() {
        bail!("there is no terminal to ask for the password; pass --password-stdin and give it on standard input");
    }
    let first = read_hidden("Password: ")?;
    if first != read_hidden("Again: ")? {
        bail!("the two passwords differ");
    }
    Ok(first)
}

/// Reads a line without echoing it.
fn read_hidden(prompt: &str) -> Result<String> {
    let terminal = std::io::stdin();
    eprint!("{prompt}");
    std::io::stderr().flush()?;
    let before = tcgetattr(&terminal).context("the terminal")?;
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent).context("the terminal")?;
    let typed = line();
    tcsetattr(&terminal, SetArg::TCSANOW, &before).context("the terminal")?;
    eprintln!();
    typed
}

fn line() -> Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("standard input")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
