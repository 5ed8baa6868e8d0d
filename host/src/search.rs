//! Full-text search, the same for both databases: [`tokens`] turns a message into index tokens, [`query`] turns a typed
//! query into the tokens to search for. `database/search.rs` stores and finds tokens in either engine.

pub mod query;
pub mod tokens;

#[cfg(test)]
mod tests;
