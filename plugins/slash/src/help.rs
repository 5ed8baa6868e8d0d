//! `/help`: lists and explains commands.

use natterjack_plugin_sdk::prelude::*;
use natterjack_plugin_sdk::{ParamKind, Place};
use serde::Deserialize;

pub(crate) fn spec() -> CommandSpec {
    CommandSpec::new("help.show", "What you can do here")
        .slash("help")
        .param(Param::text("command", "The command to explain").optional())
}

#[derive(Deserialize)]
pub(crate) struct Help {
    command: Option<String>,
}

pub(crate) fn show(ctx: &Context, args: Help) -> Result<Value> {
    let mut specs: Vec<CommandSpec> = directory::commands().into_iter().map(|offered| offered.spec).collect();
    match args.command {
        Some(wanted) => {
            let word = wanted.trim().trim_start_matches('/');
            let found = specs.iter().find(|spec| spec.slash.as_deref() == Some(word) || spec.name == word);
            let spec =
                found.ok_or_else(|| Error::not_found(format!("there is no command /{word}; /help lists them")))?;
            Ok(json!({ "text": explain(spec) }))
        }
        None => {
            specs.retain(|spec| spec.slash.is_some() && is_for(ctx, spec));
            specs.sort_by(|one, other| one.slash.cmp(&other.slash));
            let lines: Vec<String> = specs.iter().map(|spec| format!("{} — {}", usage(spec), spec.summary)).collect();
            Ok(json!({ "text": lines.join("\n") }))
        }
    }
}

/// Whether the actor may call the command in the current room.
fn is_for(ctx: &Context, spec: &CommandSpec) -> bool {
    (spec.place == Place::Anywhere || ctx.room.is_some())
        && spec.minimum_role.is_none_or(|needed| ctx.role.is_some_and(|role| role >= needed))
}

fn explain(spec: &CommandSpec) -> String {
    let mut text = format!("{}\n{}", usage(spec), spec.summary);
    if let Some(role) = spec.minimum_role {
        text += &format!(" (from {role} up)");
    }
    for param in &spec.params {
        let hint = match &param.kind {
            ParamKind::Duration => " (90s, 10m, 2h, 1d)".to_owned(),
            ParamKind::Choice(words) => format!(" ({})", words.join(", ")),
            _ => String::new(),
        };
        text += &format!("\n  {}: {}{hint}", param.name, param.summary);
    }
    text
}

/// A usage line such as `/kick <account> [reason]`; a command without a slash word is shown by its name.
fn usage(spec: &CommandSpec) -> String {
    let mut usage = match &spec.slash {
        Some(word) => format!("/{word}"),
        None => spec.name.clone(),
    };
    for param in &spec.params {
        let name = match &param.kind {
            ParamKind::Choice(words) => words.join("|"),
            _ => param.name.clone(),
        };
        usage += &if param.required { format!(" <{name}>") } else { format!(" [{name}]") };
    }
    usage
}
