//! Validates the descriptions of a plugin's commands.

use std::collections::HashSet;

use super::command::{CommandInfo, ParamKind};
use super::load::LoadError;

const MAX_COMMANDS: usize = 100;
const MAX_PARAMS: usize = 20;
const MAX_CHOICES: usize = 50;
const MAX_NAME_BYTES: usize = 64;
const MAX_SUMMARY_CHARS: usize = 200;

/// Returns the commands if all are valid; the error describes the first mistake.
pub(super) fn check(commands: Vec<CommandInfo>) -> Result<Vec<CommandInfo>, LoadError> {
    if commands.len() > MAX_COMMANDS {
        return Err(fault("…", format!("there are {}, and at most {MAX_COMMANDS} are allowed", commands.len())));
    }
    let (mut names, mut words) = (HashSet::new(), HashSet::new());
    for command in &commands {
        let wrong = |why: &str| fault(&command.name, why.to_owned());
        if !is_command_name(&command.name) {
            return Err(wrong("a name is lower-case words with a dot between them, such as `room.create`"));
        }
        if !names.insert(&command.name) {
            return Err(wrong("it is offered twice"));
        }
        if command.summary.chars().count() > MAX_SUMMARY_CHARS {
            return Err(wrong(&format!("its summary is longer than {MAX_SUMMARY_CHARS} characters")));
        }
        if let Some(word) = &command.slash {
            if !is_word(word, b'-') {
                return Err(wrong("the word after the slash is lower case, without the slash"));
            }
            if !words.insert(word) {
                return Err(wrong("its word after the slash is offered twice"));
            }
        }
        check_params(command)?;
    }
    Ok(commands)
}

fn check_params(command: &CommandInfo) -> Result<(), LoadError> {
    let wrong = |why: String| fault(&command.name, why);
    if command.params.len() > MAX_PARAMS {
        return Err(wrong(format!("it has more than {MAX_PARAMS} params")));
    }
    let mut names = HashSet::new();
    let mut optional: Option<&str> = None;
    for param in &command.params {
        let name = &param.name;
        if !is_word(name, b'_') {
            return Err(wrong(format!("the param `{name}` has to be lower case, digits and `_`")));
        }
        if !names.insert(name) {
            return Err(wrong(format!("it has two params `{name}`")));
        }
        // The argument `room` of every command is the room that it is called in.
        if name == "room" {
            return Err(wrong(
                "the room that it is called in is not among its params; give this one another name".into(),
            ));
        }
        if param.summary.chars().count() > MAX_SUMMARY_CHARS {
            return Err(wrong(format!("the summary of `{name}` is longer than {MAX_SUMMARY_CHARS} characters")));
        }
        if let ParamKind::Choice(words) = &param.kind {
            let fits =
                |word: &String| !word.is_empty() && word.len() <= MAX_NAME_BYTES && !word.contains(char::is_whitespace);
            if words.is_empty() || words.len() > MAX_CHOICES || !words.iter().all(fits) {
                return Err(wrong(format!(
                    "the choices of `{name}` are 1 to {MAX_CHOICES} words of at most {MAX_NAME_BYTES} bytes"
                )));
            }
        }
        match optional {
            Some(before) if param.required && command.slash.is_some() => {
                return Err(wrong(format!(
                    "`{name}` is required and comes after `{before}`, which is not: slash text could not tell them apart"
                )));
            }
            _ if !param.required => optional = Some(name),
            _ => {}
        }
    }
    Ok(())
}

fn fault(name: &str, why: String) -> LoadError {
    LoadError::Spec { name: name.chars().take(MAX_NAME_BYTES).collect(), why }
}

/// Lower-case words joined by dots, at least two, such as `noun.verb`.
fn is_command_name(name: &str) -> bool {
    name.contains('.')
        && name.len() <= MAX_NAME_BYTES
        && name.split('.').all(|word| is_word(word, b'-') || is_word(word, b'_'))
}

fn is_word(word: &str, joint: u8) -> bool {
    word.len() <= MAX_NAME_BYTES
        && word.starts_with(|first: char| first.is_ascii_lowercase())
        && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == joint)
}

#[cfg(test)]
mod tests {
    use super::super::command::{Param, Place};
    use super::*;

    fn command(name: &str, params: &[(&str, bool)]) -> CommandInfo {
        let param = |(name, required): &(&str, bool)| Param {
            name: (*name).into(),
            summary: String::new(),
            kind: ParamKind::Text,
            required: *required,
        };
        CommandInfo {
            plugin: "p".into(),
            name: name.into(),
            summary: String::new(),
            params: params.iter().map(param).collect(),
            place: Place::InRoom,
            minimum_role: None,
            slash: Some("word".into()),
        }
    }

    fn why(commands: Vec<CommandInfo>) -> String {
        check(commands).unwrap_err().to_string()
    }

    #[test]
    fn valid_commands_pass() {
        let offered = vec![command("room.kick", &[("account", true), ("reason", false)])];
        assert_eq!(check(offered.clone()), Ok(offered));
    }

    #[test]
    fn names_are_lower_case_and_dotted() {
        for bad in ["kick", "Room.kick", "room.", ".kick", "room kick", "räum.e"] {
            assert!(why(vec![command(bad, &[])]).contains("lower-case words"), "{bad}");
        }
    }

    #[test]
    fn required_param_after_an_optional_one_is_refused_for_slash_commands() {
        let refused = why(vec![command("room.kick", &[("reason", false), ("account", true)])]);
        assert!(refused.contains("`account` is required and comes after `reason`"), "{refused}");
    }

    #[test]
    fn two_commands_cannot_share_a_name_or_a_word() {
        assert!(why(vec![command("a.b", &[]), command("a.b", &[])]).contains("offered twice"));
        assert!(why(vec![command("a.b", &[]), command("a.c", &[])]).contains("slash is offered twice"));
    }

    #[test]
    fn param_named_room_is_refused() {
        assert!(why(vec![command("a.b", &[("room", true)])]).contains("not among its params"));
    }
}
