//! Commands as people type them: `/kick bob being rude`.

use serde_json::Value;
use uuid::Uuid;

use super::args::wanted;
use super::command::{CommandInfo, Param, ParamKind};
use crate::error::{Error, Result};

/// An argument as it was typed. Names have to be looked up before the command can run.
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    Value(Value),
    /// The name of an account.
    Account(String),
    /// The name of a room.
    Room(String),
}

/// The word after the slash and what follows it; none if the text is no command.
pub fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('/')?;
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let is_word = word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    is_word.then_some((word, rest.trim()))
}

/// How a command is typed: `/kick <account> [reason]`.
pub fn usage(command: &CommandInfo) -> String {
    let mut usage = format!("/{}", command.slash.as_deref().unwrap_or(&command.name));
    for param in &command.params {
        let name = match &param.kind {
            ParamKind::Choice(words) => words.join("|"),
            _ => param.name.clone(),
        };
        usage += &if param.required { format!(" <{name}>") } else { format!(" [{name}]") };
    }
    usage
}

/// Reads what follows the slash word against the command's params.
pub fn parse(command: &CommandInfo, text: &str) -> Result<Vec<(String, Argument)>> {
    read(&command.params, text)
        .map_err(|why| Error::invalid("args", format!("{why}; it goes like this: {}", usage(command))))
}

fn read(params: &[Param], text: &str) -> Result<Vec<(String, Argument)>, String> {
    let mut rest = text.trim();
    let mut arguments = Vec::new();
    for (index, param) in params.iter().enumerate() {
        if rest.is_empty() {
            match params[index..].iter().find(|param| param.required) {
                Some(missing) => return Err(format!("`{}` is missing", missing.name)),
                None => break,
            }
        }
        let takes_all = index + 1 == params.len() && param.kind == ParamKind::Text;
        let (word, after) = next(rest)?;
        // A last text in quotes ends where they end; without them it is all that is left.
        let (word, after) = if takes_all && !after.is_empty() { (rest.to_owned(), "") } else { (word, after) };
        arguments.push((param.name.clone(), argument(param, word)?));
        rest = after;
    }
    if rest.is_empty() { Ok(arguments) } else { Err(format!("`{}` is too much", clip(rest))) }
}

/// The first word, or what stands in quotes, and what follows it.
fn next(text: &str) -> Result<(String, &str), String> {
    let Some(open @ ('"' | '“' | '„')) = text.chars().next() else {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        return Ok((word.to_owned(), rest.trim_start()));
    };
    let mut word = String::new();
    let mut letters = text[open.len_utf8()..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => word.extend(letters.next().map(|(_, escaped)| escaped)),
            '"' | '”' | '“' => {
                let rest = &text[open.len_utf8() + at + letter.len_utf8()..];
                return Ok((word, rest.trim_start()));
            }
            letter => word.push(letter),
        }
    }
    Err("a quotation mark is not closed".into())
}

fn argument(param: &Param, word: String) -> Result<Argument, String> {
    let value: Option<Value> = match &param.kind {
        ParamKind::Account | ParamKind::Room if Uuid::try_parse(&word).is_ok() => Some(word.to_lowercase().into()),
        ParamKind::Account => return Ok(Argument::Account(word)),
        ParamKind::Room => return Ok(Argument::Room(word)),
        ParamKind::Text => Some(word.clone().into()),
        ParamKind::Integer => word.parse::<i64>().ok().map(Into::into),
        ParamKind::Number => word.parse::<f64>().ok().and_then(serde_json::Number::from_f64).map(Into::into),
        ParamKind::Boolean => match word.to_lowercase().as_str() {
            "true" | "yes" | "on" => Some(true.into()),
            "false" | "no" | "off" => Some(false.into()),
            _ => None,
        },
        ParamKind::Duration => seconds(&word).map(Into::into),
        ParamKind::Choice(words) => {
            words.iter().find(|known| known.to_lowercase() == word.to_lowercase()).map(|known| known.clone().into())
        }
    };
    value.map(Argument::Value).ok_or_else(|| {
        let wanted = match param.kind {
            ParamKind::Duration => "a time such as 90s, 10m, 2h or 1d".into(),
            _ => wanted(&param.kind),
        };
        format!("`{}` must be {wanted}, not `{}`", param.name, clip(&word))
    })
}

fn seconds(text: &str) -> Option<u64> {
    let (digits, unit) = match text.char_indices().last()? {
        (_, '0'..='9') => (text, 1),
        (at, 's') => (&text[..at], 1),
        (at, 'm') => (&text[..at], 60),
        (at, 'h') => (&text[..at], 60 * 60),
        (at, 'd') => (&text[..at], 24 * 60 * 60),
        _ => return None,
    };
    digits.parse::<u32>().ok().map(|number| u64::from(number) * unit)
}

/// Enough of what somebody typed to recognise it.
fn clip(text: &str) -> String {
    let mut clipped: String = text.chars().take(40).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::command::Place;
    use super::*;

    fn command(params: &[(&str, ParamKind, bool)]) -> CommandInfo {
        let param = |(name, kind, required): &(&str, ParamKind, bool)| Param {
            name: (*name).into(),
            summary: String::new(),
            kind: kind.clone(),
            required: *required,
        };
        CommandInfo {
            plugin: "groups".into(),
            name: "room.kick".into(),
            summary: String::new(),
            params: params.iter().map(param).collect(),
            place: Place::InRoom,
            minimum_role: None,
            slash: Some("kick".into()),
        }
    }

    fn kick() -> CommandInfo {
        command(&[("account", ParamKind::Account, true), ("reason", ParamKind::Text, false)])
    }

    fn value(value: Value) -> Argument {
        Argument::Value(value)
    }

    fn read_one(kind: ParamKind, text: &str) -> Result<Argument, String> {
        let parsed = parse(&command(&[("it", kind, true)]), text).map_err(|error| error.to_string())?;
        Ok(parsed[0].1.clone())
    }

    #[test]
    fn a_command_is_a_slash_and_a_word() {
        assert_eq!(split("/kick bob being rude"), Some(("kick", "bob being rude")));
        assert_eq!(split("/help"), Some(("help", "")));
        for text in ["kick bob", "/ kick", "//kick", "/usr/bin", "/Kick", "/"] {
            assert_eq!(split(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_text_takes_the_rest() {
        let parsed = parse(&kick(), "bob being   rude").unwrap();
        assert_eq!(
            parsed,
            [("account".into(), Argument::Account("bob".into())), ("reason".into(), value("being   rude".into()))]
        );
        assert_eq!(parse(&kick(), "bob").unwrap().len(), 1);
    }

    #[test]
    fn quotes_hold_words_together() {
        let parsed = parse(&kick(), r#""Bob \"B\" Smith" "very rude""#).unwrap();
        assert_eq!(parsed[0].1, Argument::Account("Bob \"B\" Smith".into()));
        assert_eq!(parsed[1].1, value("very rude".into()));
        assert_eq!(parse(&kick(), "“Bob Smith” x").unwrap()[0].1, Argument::Account("Bob Smith".into()));
        assert_eq!(parse(&kick(), r#"bob "a" and "b""#).unwrap()[1].1, value(r#""a" and "b""#.into()));
    }

    #[test]
    fn an_id_needs_no_looking_up() {
        let id = "018F0000-0000-7000-8000-000000000000";
        assert_eq!(read_one(ParamKind::Account, id), Ok(value(id.to_lowercase().into())));
        assert_eq!(read_one(ParamKind::Room, "lobby"), Ok(Argument::Room("lobby".into())));
    }

    #[test]
    fn times_become_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400)] {
            assert_eq!(read_one(ParamKind::Duration, text), Ok(value(json!(seconds))), "{text}");
        }
        for text in ["m", "10w", "-1s", "1.5h", "99999999999d", "é"] {
            assert!(read_one(ParamKind::Duration, text).is_err(), "{text}");
        }
    }

    #[test]
    fn other_kinds_are_read_as_what_they_are() {
        assert_eq!(read_one(ParamKind::Integer, "-3"), Ok(value(json!(-3))));
        assert_eq!(read_one(ParamKind::Number, "1.5"), Ok(value(json!(1.5))));
        assert_eq!(read_one(ParamKind::Boolean, "Yes"), Ok(value(json!(true))));
        let choice = ParamKind::Choice(vec!["Soft".into(), "hard".into()]);
        assert_eq!(read_one(choice, "soft"), Ok(value(json!("Soft"))));
        assert!(read_one(ParamKind::Number, "NaN").is_err());
    }

    #[test]
    fn mistakes_are_answered_with_how_it_goes() {
        let why = |text: &str| parse(&kick(), text).unwrap_err().to_string();
        assert_eq!(why(""), "args: `account` is missing; it goes like this: /kick <account> [reason]");
        assert!(why("\"bob").starts_with("args: a quotation mark is not closed"));
        let mute = command(&[("for", ParamKind::Duration, true)]);
        let why = |text: &str| parse(&mute, text).unwrap_err().to_string();
        assert!(why("soon").starts_with("args: `for` must be a time such as 90s, 10m, 2h or 1d, not `soon`"));
        assert!(why("10m or so").starts_with("args: `or so` is too much"));
    }
}
