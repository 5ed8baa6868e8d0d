//! Full-text search, the same for both databases: [`tokens`] turns a message into index tokens, [`query`] turns what a
//! person types into the tokens to look for. How an engine stores and finds tokens is in `database/search.rs`.

pub mod query;
pub mod tokens;

#[cfg(test)]
mod tests;
