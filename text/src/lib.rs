//! Comparison of names and words, and checks of the characters in text, shared by the server and its plugins.
//!
//! All tables are ICU4X's. A component only links the tables of the functions that it calls.

#![no_std]

extern crate alloc;

mod check;
mod class;
mod fold;
mod looks;

pub use check::{Fault, MAX_MARKS, check_body, check_line, check_name};
pub use class::{combines, has_visible, is_bidi_control, is_invisible, is_joiner_allowed, is_mark};
pub use fold::{collapse_spaces, decompose, fold, nfc, nfkc};
pub use looks::drawn_letter;

#[cfg(test)]
mod tests;
