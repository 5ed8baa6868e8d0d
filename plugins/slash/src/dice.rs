//! `/roll`: rolls dice and posts the result.

use natterjack_plugin_sdk::prelude::*;
use serde::Deserialize;

const MAX_DICE: u32 = 100;
const MAX_SIDES: u32 = 1_000;
const MAX_OFFSET: i32 = 10_000;
/// Of more dice than this only the sum is shown.
const MAX_SHOWN_DICE: usize = 20;

pub(crate) fn spec() -> CommandSpec {
    CommandSpec::new("dice.roll", "Roll dice for all to see")
        .in_room()
        .slash("roll")
        .param(Param::text("dice", "How many with how many sides: 2d6, d20, 3d8+2; 1d6 if you do not say").optional())
}

#[derive(Deserialize)]
pub(crate) struct Roll {
    dice: Option<String>,
}

pub(crate) fn roll(ctx: &Context, args: Roll) -> Result<Value> {
    let text = args.dice.unwrap_or_else(|| "1d6".to_owned());
    let dice = Dice::parse(&text)?;
    let rolled: Vec<u32> = (0..dice.count).map(|_| throw(dice.sides)).collect();
    let total = i64::from(rolled.iter().sum::<u32>()) + i64::from(dice.offset);
    messages::post(
        &ctx.room()?.id,
        &format!("{} rolls {}: {}", crate::name(ctx), dice, describe(&dice, &rolled, total)),
    )?;
    Ok(json!({ "rolled": rolled, "total": total }))
}

fn describe(dice: &Dice, rolled: &[u32], total: i64) -> String {
    if rolled.len() > MAX_SHOWN_DICE || (rolled.len() == 1 && dice.offset == 0) {
        return total.to_string();
    }
    let sum: Vec<String> = rolled.iter().map(u32::to_string).collect();
    format!("{}{} = {total}", sum.join(" + "), Offset(dice.offset, " "))
}

/// Rolls one fair die: random numbers that do not divide evenly among the sides are rejected.
fn throw(sides: u32) -> u32 {
    let fair = u32::MAX - u32::MAX % sides;
    loop {
        let bytes = random::bytes(4);
        let number = bytes.iter().fold(0, |number, &byte| number << 8 | u32::from(byte));
        if number < fair {
            return number % sides + 1;
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Dice {
    count: u32,
    sides: u32,
    offset: i32,
}

impl Dice {
    fn parse(text: &str) -> Result<Self> {
        let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
        let dice = Self::read(&compact)
            .ok_or_else(|| Error::invalid(format!("`{text}` is no dice: try 2d6, d20 or 3d8+2")))?;
        if !(1..=MAX_DICE).contains(&dice.count) || !(2..=MAX_SIDES).contains(&dice.sides) {
            return Err(Error::invalid("1 to 100 dice with 2 to 1,000 sides each, please"));
        }
        if !(-MAX_OFFSET..=MAX_OFFSET).contains(&dice.offset) {
            return Err(Error::invalid("add or take 10,000 at the most"));
        }
        Ok(dice)
    }

    fn read(text: &str) -> Option<Self> {
        let (count, rest) = text.split_once('d')?;
        let (sides, offset) = match rest.find(['+', '-']) {
            Some(at) => (&rest[..at], digits(&rest[at + 1..]).and_then(|_| rest[at..].parse().ok())?),
            None => (rest, 0),
        };
        let count = if count.is_empty() { 1 } else { digits(count)? };
        Some(Self { count, sides: digits(sides)?, offset })
    }
}

/// Parses a number without a sign.
fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl std::fmt::Display for Dice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}d{}{}", self.count, self.sides, Offset(self.offset, ""))
    }
}

/// Formats the offset with its sign; an offset of 0 is omitted.
struct Offset(i32, &'static str);

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(offset, space) = *self;
        match offset {
            0 => Ok(()),
            1.. => write!(f, "{space}+{space}{offset}"),
            _ => write!(f, "{space}-{space}{}", offset.unsigned_abs()),
        }
    }
}
