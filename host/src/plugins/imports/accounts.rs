//! The `accounts` import: looks accounts up.

use super::id;
use crate::plugins::bindings::host::accounts;
use crate::plugins::bindings::wire;
use crate::plugins::state::State;
use crate::plugins::unit::UnitOfWork;
use crate::protocol::Account;

impl accounts::Host for State {
    async fn get(&mut self, account: String) -> Result<Option<accounts::Account>, wire::Error> {
        let (unit, _) = self.unit()?;
        let found = unit.services.database.account(id("account", &account)?).await?;
        Ok(found.map(|account| to_wire(unit, &account)))
    }

    async fn find(&mut self, name: String) -> Result<Option<accounts::Account>, wire::Error> {
        let (unit, _) = self.unit()?;
        let found = unit.services.database.account_named(&name).await?;
        Ok(found.map(|account| to_wire(unit, &account)))
    }
}

fn to_wire(unit: &UnitOfWork, account: &Account) -> accounts::Account {
    accounts::Account {
        id: account.id.to_string(),
        name: account.name.to_string(),
        online: unit.services.hub.is_online(account.id),
    }
}
