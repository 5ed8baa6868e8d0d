//! Works out which of an account's rooms can match a query, by the tokens known of each room.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde_json::Value;

use super::super::search_index::author_token;
use super::super::{Database, Pool, each};
use super::{RoomQuery, Tokens};
use crate::error::{Error, Result};
use crate::search::query::{Phrase, Query, Term};

/// The most words, summed over rooms, that prefixes such as `natter*` may expand to.
const MAX_EXPANSIONS: usize = 2000;

// $1 the rooms, $2 the tokens.
const KNOWN_SQLITE: &str = "SELECT t.room_id, t.term FROM json_each($1) r CROSS JOIN json_each($2) w \
    CROSS JOIN search_terms t ON t.room_id = r.value AND t.term = w.value";
const KNOWN_POSTGRES: &str = "SELECT t.room_id, t.term FROM json_array_elements_text($1::json) AS r (id) \
    CROSS JOIN json_array_elements_text($2::json) AS w (term) \
    JOIN search_terms t ON t.room_id = r.id::BIGINT AND t.term = w.term";
// $1 the rooms, $2 the prefix, $3 an upper bound of the words that start with it, $4 the limit.
const PREFIX_SQLITE: &str = "SELECT t.room_id, t.term FROM json_each($1) r \
    CROSS JOIN search_terms t ON t.room_id = r.value AND t.term >= $2 AND t.term < $3 LIMIT $4";
const PREFIX_POSTGRES: &str = "SELECT t.room_id, t.term FROM json_array_elements_text($1::json) AS r (id) \
    JOIN search_terms t ON t.room_id = r.id::BIGINT AND t.term >= $2 AND t.term < $3 LIMIT $4";

/// The queried tokens that each room has.
type KnownTokens = HashMap<i64, HashSet<String>>;

impl Database {
    /// What to search for in each of these rooms, which are given by number and latest entry. Rooms that cannot match all of
    /// the query are left out.
    pub(super) async fn terms_in_rooms(&self, rooms: Vec<(i64, i64)>, query: &Query) -> Result<Vec<RoomQuery>> {
        let numbers = Value::from(rooms.iter().map(|(room, _)| *room).collect::<Vec<_>>()).to_string();
        let phrases = || query.terms.iter().flatten();
        let exact: BTreeSet<&str> = phrases().flat_map(exact_tokens).map(String::as_str).collect();
        let exact = Value::from(exact.into_iter().collect::<Vec<_>>()).to_string();
        let known = self.known_terms(&numbers, &exact).await?;
        let mut left = MAX_EXPANSIONS;
        let mut prefixes: HashMap<&str, HashMap<i64, Vec<String>>> = HashMap::new();
        for prefix in phrases().filter_map(prefix) {
            if !prefixes.contains_key(prefix) {
                let words = self.words_with_prefix(&numbers, prefix, left).await?;
                left -= words.values().map(Vec::len).sum::<usize>();
                prefixes.insert(prefix, words);
            }
        }
        let authors = self.author_tokens(query).await?;
        let in_room = |(room, newest): (i64, i64)| {
            let mut terms = Vec::with_capacity(query.terms.len() + 1);
            for term in &query.terms {
                let phrases = phrases_in(room, term, &known, &prefixes);
                if phrases.is_empty() {
                    return None;
                }
                terms.push(phrases);
            }
            terms.extend(authors.clone());
            Some(RoomQuery { room, newest, terms })
        };
        Ok(rooms.into_iter().filter_map(in_room).collect())
    }

    async fn known_terms(&self, rooms: &str, tokens: &str) -> Result<KnownTokens> {
        let sql = match &self.read {
            Pool::Sqlite(_) => KNOWN_SQLITE,
            Pool::Postgres(_) => KNOWN_POSTGRES,
        };
        let rows: Vec<(i64, String)> =
            each!(Pool: &self.read, pool => sqlx::query_as(sql).bind(rooms).bind(tokens).fetch_all(pool).await)?;
        let mut known = KnownTokens::new();
        for (room, token) in rows {
            known.entry(room).or_default().insert(token);
        }
        Ok(known)
    }

    /// The words of each room that start with `prefix`; an error if there are more than `most`.
    async fn words_with_prefix(&self, rooms: &str, prefix: &str, most: usize) -> Result<HashMap<i64, Vec<String>>> {
        let sql = match &self.read {
            Pool::Sqlite(_) => PREFIX_SQLITE,
            Pool::Postgres(_) => PREFIX_POSTGRES,
        };
        let rows: Vec<(i64, String)> = each!(Pool: &self.read, pool => sqlx::query_as(sql)
            .bind(rooms)
            .bind(prefix)
            .bind(format!("{prefix}{}", char::MAX))
            .bind(i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1))
            .fetch_all(pool)
            .await)?;
        if rows.len() > most {
            return Err(Error::invalid("query", format!("too many words start with `{prefix}`; add letters")));
        }
        let mut words: HashMap<i64, Vec<String>> = HashMap::new();
        for (room, word) in rows {
            words.entry(room).or_default().push(word);
        }
        Ok(words)
    }

    /// The tokens of possible authors: for each name its account, and authors without an account who used it.
    async fn author_tokens(&self, query: &Query) -> Result<Option<Vec<Tokens>>> {
        let mut tokens = Vec::new();
        for name in &query.from {
            if let Some(account) = self.account_named(name).await? {
                tokens.push(vec![author_token(Some(account.number), None)]);
            }
            tokens.push(vec![author_token(None, Some(name))]);
        }
        Ok(Some(tokens).filter(|tokens| !tokens.is_empty()))
    }
}

fn exact_tokens(phrase: &Phrase) -> &[String] {
    let exact = phrase.tokens.len() - usize::from(phrase.prefix);
    &phrase.tokens[..exact]
}

fn prefix(phrase: &Phrase) -> Option<&str> {
    phrase.tokens.last().filter(|_| phrase.prefix).map(String::as_str)
}

/// The phrases of a term that a room may have, with prefixes expanded to the words of that room.
fn phrases_in(
    room: i64,
    term: &Term,
    known: &KnownTokens,
    prefixes: &HashMap<&str, HashMap<i64, Vec<String>>>,
) -> Vec<Tokens> {
    let mut phrases = Vec::new();
    for phrase in term {
        let exact = exact_tokens(phrase);
        let has = |token: &String| known.get(&room).is_some_and(|known| known.contains(token));
        if !exact.iter().all(has) {
            continue;
        }
        match prefix(phrase) {
            None => phrases.push(exact.to_vec()),
            Some(prefix) => {
                let words = prefixes.get(prefix).and_then(|rooms| rooms.get(&room));
                phrases.extend(words.into_iter().flatten().map(|word| [exact, std::slice::from_ref(word)].concat()));
            }
        }
    }
    phrases
}
