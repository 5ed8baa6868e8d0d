//! Rate limits of commands: one token bucket per account for all its connections and REST, and one per address for guests and
//! unidentified clients.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::accounts::throttle::{Buckets, Origin, Quota};
use crate::config::{self, Reloadable};
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Actor};

/// The sender of a command, for rate limiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    Account(AccountId),
    /// Guests, and clients that have not identified themselves.
    Address(Origin),
}

impl Sender {
    pub fn new(actor: Option<&Actor>, origin: Origin) -> Self {
        match actor.and_then(Actor::account) {
            Some(account) => Self::Account(account.id),
            None => Self::Address(origin),
        }
    }
}

/// Addresses that are exempt from the limits per address.
#[derive(Clone)]
pub struct Exemptions {
    limits: Reloadable<config::Limits>,
    server: Reloadable<config::Server>,
}

impl Exemptions {
    pub fn new(limits: Reloadable<config::Limits>, server: Reloadable<config::Server>) -> Self {
        Self { limits, server }
    }

    /// Whether an address is exempt: those that the operator lists, and loopback, which is an operator or a proxy that is not
    /// configured. With a trusted proxy on this machine, loopback stands for clients whose address is unknown, and is not exempt.
    pub fn is_exempt(&self, origin: Origin) -> bool {
        let proxied = || {
            let own = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
            self.server.get().trusted_proxies.iter().any(|network| own.iter().any(|own| network.contains(own)))
        };
        origin.is_in(&self.limits.get().exempt) || (origin.is_local() && !proxied())
    }
}

/// Token buckets of command senders. Each node of a cluster has its own.
pub struct Commands {
    buckets: Buckets<Sender>,
    limits: Reloadable<config::Limits>,
    exempt: Exemptions,
}

impl Commands {
    pub fn new(limits: Reloadable<config::Limits>, exempt: Exemptions) -> Self {
        Self { buckets: Buckets::default(), limits, exempt }
    }

    /// Takes `count` commands from the sender's bucket.
    ///
    /// # Errors
    /// [`Error::RateLimited`] if the bucket has fewer.
    pub fn take(&self, sender: &Sender, count: u32) -> Result<()> {
        self.try_take(sender, count).map_err(|retry_after| Error::RateLimited { retry_after })
    }

    /// Takes `count` commands from the sender's bucket; the error is the time until it has that many.
    pub fn try_take(&self, sender: &Sender, count: u32) -> Result<(), Duration> {
        let limits = self.limits.get();
        let quota = match sender {
            Sender::Account(_) => Quota::per_second(limits.commands_per_second, limits.command_burst),
            Sender::Address(origin) if self.exempt.is_exempt(*origin) => return Ok(()),
            Sender::Address(_) => Quota::per_second(limits.address_commands_per_second, limits.address_command_burst),
        };
        self.buckets.take(sender, quota, count)
    }

    /// Takes up to `count` commands from the sender's bucket.
    pub fn charge(&self, sender: &Sender, count: u32) {
        let _ = (0..count).try_for_each(|_| self.try_take(sender, 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(limits: config::Limits, proxies: &[&str]) -> Commands {
        let trusted_proxies = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        let server = config::Server { trusted_proxies, ..config::Server::default() };
        let limits = Reloadable::from(limits);
        Commands::new(limits.clone(), Exemptions::new(limits, server.into()))
    }

    fn address(text: &str) -> Sender {
        Sender::Address(text.parse::<IpAddr>().unwrap().into())
    }

    fn allowed(commands: &Commands, sender: Sender) -> usize {
        (0..1000).take_while(|_| commands.take(&sender, 1).is_ok()).count()
    }

    #[test]
    fn each_account_and_each_address_has_a_bucket_of_its_own() {
        let limits = config::Limits {
            command_burst: 5,
            commands_per_second: 1,
            address_command_burst: 7,
            address_commands_per_second: 1,
            exempt: vec!["198.51.100.0/24".parse().unwrap()],
            ..config::Limits::default()
        };
        let commands = commands(limits, &["10.0.0.0/8"]);
        for _ in 0..2 {
            assert_eq!(allowed(&commands, Sender::Account(AccountId::new())), 5);
        }
        assert_eq!(allowed(&commands, address("192.0.2.1")), 7);
        assert_eq!(allowed(&commands, address("192.0.2.2")), 7);
        for exempt in ["198.51.100.9", "127.0.0.1", "::1"] {
            assert_eq!(allowed(&commands, address(exempt)), 1000, "{exempt}");
        }
    }

    #[test]
    fn clients_of_a_proxy_on_the_same_machine_are_not_exempt_when_they_hide_their_address() {
        let limits = config::Limits { address_command_burst: 7, ..config::Limits::default() };
        let commands = commands(limits, &["127.0.0.1/32"]);
        assert!(allowed(&commands, address("127.0.0.1")) < 1000);
    }
}
