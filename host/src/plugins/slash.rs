//! Parses slash commands, such as `/kick bob being rude`.

use serde_json::{Map, Value};

use super::args::wanted;
use super::command::{CommandInfo, Param, ParamKind};
use crate::error::{Error, Result};

/// A command's usage line: `/kick <account> [reason]`.
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

/// Parses the text after the slash word into the command's arguments. Accounts and rooms stay as typed, by name or by id:
/// the caller resolves them.
pub fn parse(command: &CommandInfo, text: &str) -> Result<Map<String, Value>> {
    read(&command.params, text).map_err(|why| Error::invalid("", format!("{why}; usage: {}", usage(command))))
}

fn read(params: &[Param], text: &str) -> Result<Map<String, Value>, String> {
    let mut rest = text.trim();
    let mut arguments = Map::new();
    for (index, param) in params.iter().enumerate() {
        if rest.is_empty() {
            match params[index..].iter().find(|param| param.required) {
                Some(missing) => return Err(format!("`{}` is missing", missing.name)),
                None => break,
            }
        }
        let takes_all = index + 1 == params.len() && param.kind == ParamKind::Text;
        let (word, after) = next_word(rest)?;
        // The last text param takes the rest of the line, unless the rest is one quoted text.
        let (word, after) = if takes_all && !after.is_empty() { (rest.to_owned(), "") } else { (word, after) };
        arguments.insert(param.name.clone(), argument(param, word)?);
        rest = after;
    }
    if rest.is_empty() { Ok(arguments) } else { Err(format!("`{}` is too much", clip(rest))) }
}

/// The first word or quoted text, and the rest.
fn next_word(text: &str) -> Result<(String, &str), String> {
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

fn argument(param: &Param, word: String) -> Result<Value, String> {
    let value: Option<Value> = match &param.kind {
        ParamKind::Text | ParamKind::Account | ParamKind::Room => return Ok(word.into()),
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
    value.ok_or_else(|| {
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

/// The beginning of a typed text, for error messages.
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

    fn read_one(kind: ParamKind, text: &str) -> Result<Value, String> {
        let parsed = parse(&command(&[("it", kind, true)]), text).map_err(|error| error.to_string())?;
        Ok(parsed["it"].clone())
    }

    #[test]
    fn last_text_param_takes_the_rest_of_the_line() {
        let parsed = parse(&kick(), "bob being   rude").unwrap();
        assert_eq!(Value::Object(parsed), json!({ "account": "bob", "reason": "being   rude" }));
        assert_eq!(parse(&kick(), "bob").unwrap().len(), 1);
    }

    #[test]
    fn quoted_words_are_one_argument() {
        let parsed = parse(&kick(), r#""Bob \"B\" Smith" "very rude""#).unwrap();
        assert_eq!(Value::Object(parsed), json!({ "account": "Bob \"B\" Smith", "reason": "very rude" }));
        assert_eq!(parse(&kick(), "“Bob Smith” x").unwrap()["account"], "Bob Smith");
        assert_eq!(parse(&kick(), r#"bob "a" and "b""#).unwrap()["reason"], r#""a" and "b""#);
    }

    #[test]
    fn durations_are_parsed_into_seconds() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("1d", 86_400)] {
            assert_eq!(read_one(ParamKind::Duration, text), Ok(json!(seconds)), "{text}");
        }
        for text in ["m", "10w", "-1s", "1.5h", "99999999999d", "é"] {
            assert!(read_one(ParamKind::Duration, text).is_err(), "{text}");
        }
    }

    #[test]
    fn other_kinds_are_parsed_by_their_type() {
        assert_eq!(read_one(ParamKind::Integer, "-3"), Ok(json!(-3)));
        assert_eq!(read_one(ParamKind::Number, "1.5"), Ok(json!(1.5)));
        assert_eq!(read_one(ParamKind::Boolean, "Yes"), Ok(json!(true)));
        let choice = ParamKind::Choice(vec!["Soft".into(), "hard".into()]);
        assert_eq!(read_one(choice, "soft"), Ok(json!("Soft")));
        assert!(read_one(ParamKind::Number, "NaN").is_err());
    }

    #[test]
    fn errors_include_the_usage_line() {
        let why = |text: &str| parse(&kick(), text).unwrap_err().to_string();
        assert_eq!(why(""), "`account` is missing; usage: /kick <account> [reason]");
        assert!(why("\"bob").starts_with("a quotation mark is not closed"));
        let mute = command(&[("for", ParamKind::Duration, true)]);
        let why = |text: &str| parse(&mute, text).unwrap_err().to_string();
        assert!(why("soon").starts_with("`for` must be a time such as 90s, 10m, 2h or 1d, not `soon`"));
        assert!(why("10m or so").starts_with("`or so` is too much"));
    }
}
