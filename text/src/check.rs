//! Checks which characters names, lines and messages may contain.

use core::fmt;

use icu_properties::CodePointSetData;
use icu_properties::props::{GeneralCategory, NoncharacterCodePoint};

use crate::class::{category, combines, is_bidi_control, is_invisible, is_joiner_allowed, is_mark};

/// Combining marks in a row that a name or a line may have. Cantillated Hebrew and Tibetan stacks have four.
pub const MAX_MARKS: usize = 4;
/// Combining marks in a row that a message may have, since it may quote unusual texts; more would cover adjacent lines.
const MAX_MARKS_IN_BODY: usize = 20;
/// Nesting depth of directional embeddings and isolates (UAX #9 allows 125).
const MAX_DEPTH: usize = 32;

/// What is wrong with a text. Its `Display` continues a sentence that begins with the name of the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It contains a character that is not allowed.
    Character(char),
    /// It has too many combining marks in a row.
    Marks(usize),
    /// It begins with a combining mark, or has one after a space.
    LooseMark(char),
    /// It has a directional control without its counterpart.
    Direction(char),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Character(c) if c.is_control() => {
                write!(f, "must not hold the control character U+{:04X}", u32::from(c))
            }
            Self::Character(c) => write!(f, "must not hold the character U+{:04X}", u32::from(c)),
            Self::Marks(most) => write!(f, "must not have more than {most} combining marks in a row"),
            Self::LooseMark(c) => write!(f, "has the combining mark U+{:04X} without a letter before it", u32::from(c)),
            Self::Direction(c) => {
                write!(f, "changes the writing direction with U+{:04X} without its counterpart", u32::from(c))
            }
        }
    }
}

impl core::error::Error for Fault {}

/// Checks a name (of an account, a room, a guest), in NFC: it must not contain control, format, unassigned, private-use
/// or invisible characters, except joiners, variation selectors and tags where they have a meaning. Spaces are allowed, line
/// breaks are not.
pub fn check_name(name: &str) -> Result<(), Fault> {
    // Fast path: most names are printable ASCII.
    if name.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    for (at, c) in name.char_indices() {
        let shown = match category(c) {
            GeneralCategory::Control
            | GeneralCategory::Unassigned
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator => false,
            // The object replacement character: stands for an object that is not in the text.
            _ if c == '\u{FFFC}' => false,
            _ => !is_invisible(c) || is_joiner_allowed(c, &name[..at], &name[at + c.len_utf8()..]),
        };
        if !shown {
            return Err(Fault::Character(c));
        }
    }
    check_marks(name, MAX_MARKS)?;
    let mut previous = ' ';
    for c in name.chars() {
        if combines(c) && previous.is_whitespace() {
            return Err(Fault::LooseMark(c));
        }
        previous = c;
    }
    Ok(())
}

/// Checks a text of one line (a topic, a reason, the name of a file): no control characters, line breaks, directional
/// controls and noncharacters, and no piles of combining marks.
pub fn check_line(text: &str) -> Result<(), Fault> {
    let refused = |c: &char| breaks_line(*c) || c.is_control() || is_bidi_control(*c) || is_noncharacter(*c);
    match text.chars().find(refused) {
        Some(c) => Err(Fault::Character(c)),
        None => check_marks(text, MAX_MARKS),
    }
}

/// Checks a text of many lines (a message): no control characters except tab and line breaks, no noncharacters, and each
/// directional embedding, override and isolate ends in the line where it begins.
pub fn check_body(text: &str) -> Result<(), Fault> {
    if text.is_ascii() {
        return text.chars().find(|c| is_refused_control(*c)).map_or(Ok(()), |c| Err(Fault::Character(c)));
    }
    if let Some(c) = text.chars().find(|c| is_refused_control(*c) || is_noncharacter(*c)) {
        return Err(Fault::Character(c));
    }
    text.split(breaks_line).try_for_each(check_direction)?;
    check_marks(text, MAX_MARKS_IN_BODY)
}

fn is_refused_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

fn is_noncharacter(c: char) -> bool {
    c >= '\u{FDD0}' && CodePointSetData::new::<NoncharacterCodePoint>().contains(c)
}

/// Whether a text goes on in another line after it (UAX #14: mandatory breaks).
fn breaks_line(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn check_direction(line: &str) -> Result<(), Fault> {
    let mut open = [' '; MAX_DEPTH];
    let mut depth = 0;
    for c in line.chars() {
        match c {
            '\u{202A}' | '\u{202B}' | '\u{202D}' | '\u{202E}' | '\u{2066}'..='\u{2068}' => {
                *open.get_mut(depth).ok_or(Fault::Direction(c))? = c;
                depth += 1;
            }
            '\u{202C}' | '\u{2069}' => {
                let opened = depth.checked_sub(1).map(|last| open[last]).ok_or(Fault::Direction(c))?;
                if (opened >= '\u{2066}') != (c == '\u{2069}') {
                    return Err(Fault::Direction(c));
                }
                depth -= 1;
            }
            _ => {}
        }
    }
    match depth {
        0 => Ok(()),
        _ => Err(Fault::Direction(open[depth - 1])),
    }
}

fn check_marks(text: &str, most: usize) -> Result<(), Fault> {
    let mut marks = 0;
    for c in text.chars() {
        // Invisible characters do not separate marks.
        if is_mark(c) && !is_invisible(c) {
            marks += 1;
        } else if !is_invisible(c) {
            marks = 0;
        }
        if marks > most {
            return Err(Fault::Marks(most));
        }
    }
    Ok(())
}
