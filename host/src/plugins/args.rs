//! Checks a command's arguments against its params.

use serde_json::Value;
use uuid::Uuid;

use super::command::{Param, ParamKind};
use crate::error::{Error, Result};
use crate::text::shown;

/// Checks arguments as clients send them: a JSON object with a value of the right kind for each required param, and no
/// unknown keys except `room`, the room that the command is called in.
pub(super) fn check(params: &[Param], args: &Value) -> Result<()> {
    let Value::Object(args) = args else {
        return Err(Error::invalid("", "the arguments must be an object"));
    };
    for param in params {
        match args.get(&param.name) {
            None | Some(Value::Null) if param.required => {
                return Err(wrong(&param.name, &format!("is missing; it is {}", wanted(&param.kind))));
            }
            None | Some(Value::Null) => {}
            Some(value) if fits(&param.kind, value) => {}
            Some(_) => return Err(wrong(&param.name, &format!("must be {}", wanted(&param.kind)))),
        }
    }
    match args.keys().find(|key| *key != "room" && params.iter().all(|param| param.name != **key)) {
        Some(unknown) => Err(Error::invalid(shown(unknown), "is unknown to this command")),
        None => Ok(()),
    }
}

fn wrong(name: &str, why: &str) -> Error {
    Error::invalid(name.to_owned(), why)
}

fn fits(kind: &ParamKind, value: &Value) -> bool {
    match kind {
        ParamKind::Text => value.is_string(),
        ParamKind::Integer => value.is_i64() || value.is_u64(),
        ParamKind::Number => value.is_number(),
        ParamKind::Boolean => value.is_boolean(),
        ParamKind::Account | ParamKind::Room => value.as_str().is_some_and(|id| Uuid::try_parse(id).is_ok()),
        ParamKind::Duration => value.is_u64(),
        ParamKind::Choice(words) => value.as_str().is_some_and(|word| words.iter().any(|known| known == word)),
    }
}

/// Describes the values of a kind, for error texts.
pub(super) fn wanted(kind: &ParamKind) -> String {
    match kind {
        ParamKind::Text => "a text".into(),
        ParamKind::Integer => "a whole number".into(),
        ParamKind::Number => "a number".into(),
        ParamKind::Boolean => "true or false".into(),
        ParamKind::Account => "an account's id".into(),
        ParamKind::Room => "a room's id".into(),
        ParamKind::Duration => "a number of seconds".into(),
        ParamKind::Choice(words) => format!("one of {}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn param(name: &str, kind: ParamKind, required: bool) -> Param {
        Param { name: name.into(), summary: String::new(), kind, required }
    }

    fn kick() -> Vec<Param> {
        vec![
            param("account", ParamKind::Account, true),
            param("seconds", ParamKind::Duration, false),
            param("how", ParamKind::Choice(vec!["softly".into(), "hard".into()]), false),
        ]
    }

    fn why(args: Value) -> String {
        check(&kick(), &args).unwrap_err().to_string()
    }

    const BOB: &str = "018f0000-0000-7000-8000-000000000000";

    #[test]
    fn fitting_arguments_pass() {
        assert_eq!(check(&kick(), &json!({ "account": BOB })), Ok(()));
        assert_eq!(check(&kick(), &json!({ "account": BOB, "seconds": 90, "how": "hard", "room": "lobby" })), Ok(()));
        assert_eq!(check(&kick(), &json!({ "account": BOB, "seconds": null })), Ok(()));
    }

    #[test]
    fn errors_name_the_argument_and_the_expected_kind() {
        assert_eq!(why(json!([])), "the arguments must be an object");
        assert_eq!(why(json!({})), "account: is missing; it is an account's id");
        assert_eq!(why(json!({ "account": "bob" })), "account: must be an account's id");
        assert_eq!(why(json!({ "account": BOB, "seconds": -1 })), "seconds: must be a number of seconds");
        assert_eq!(why(json!({ "account": BOB, "how": "now" })), "how: must be one of softly, hard");
        assert_eq!(why(json!({ "account": BOB, "reasn": "x" })), "reasn: is unknown to this command");
    }
}
