//! How many commands somebody may send, whatever they come by: one bucket for each account over all its connections and REST, and
//! one for all guests and strangers of an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::accounts::throttle::{Buckets, Origin, Quota};
use crate::config::{self, Reloadable};
use crate::error::{Error, Result};
use crate::protocol::{AccountId, Actor};

/// Who sends a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sender {
    Account(AccountId),
    /// Guests, and whoever has not said who they are.
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

/// Addresses that the limits of one address do not hold for.
#[derive(Clone)]
pub struct Exemptions {
    limits: Reloadable<config::Limits>,
    server: Reloadable<config::Server>,
}

impl Exemptions {
    pub fn new(limits: Reloadable<config::Limits>, server: Reloadable<config::Server>) -> Self {
        Self { limits, server }
    }

    /// Whether this is one: those that the operator lists, and the machine's own, which are an operator's or of a proxy that
    /// nobody named. One of a named proxy is that of clients whose own cannot be read.
    pub fn hold_for(&self, origin: Origin) -> bool {
        let proxied = || {
            let own = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
            self.server.get().trusted_proxies.iter().any(|network| own.iter().any(|own| network.contains(own)))
        };
        origin.is_in(&self.limits.get().exempt) || (origin.is_local() && !proxied())
    }
}

/// The buckets. Each node of a cluster has its own.
pub struct Commands {
    buckets: Buckets<Sender>,
    limits: Reloadable<config::Limits>,
    exempt: Exemptions,
}

impl Commands {
    pub fn new(limits: Reloadable<config::Limits>, exempt: Exemptions) -> Self {
        Self { buckets: Buckets::default(), limits, exempt }
    }

    /// Takes so many commands' worth; an error if there were too many lately.
    pub fn take(&self, sender: &Sender, count: u32) -> Result<()> {
        self.try_take(sender, count).map_err(|retry_after| Error::RateLimited { retry_after })
    }

    /// The same, saying how long it is until there are that many.
    pub fn try_take(&self, sender: &Sender, count: u32) -> Result<(), Duration> {
        let limits = self.limits.get();
        let quota = match sender {
            Sender::Account(_) => Quota::per_second(limits.commands_per_second, limits.command_burst),
            Sender::Address(origin) if self.exempt.hold_for(*origin) => return Ok(()),
            Sender::Address(_) => Quota::per_second(limits.address_commands_per_second, limits.address_command_burst),
        };
        self.buckets.take(sender, quota, count)
    }

    /// Takes so many commands' worth, or what is left of them.
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
