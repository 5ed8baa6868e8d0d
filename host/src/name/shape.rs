//! Names that look like others.

use natterjack_text::{collapse_spaces, fold, nfkc};
use unicode_security::MixedScript as _;

/// What names that look alike have in common: the skeleton of UTS #39, in any case. `l`, `1` and a capital `I` are one
/// letter, so `i` is too.
pub fn shape(name: &str) -> String {
    let skeleton = |text: &str| unicode_security::skeleton(text).collect::<String>();
    // Some letters look like others in their upper case alone, such as `В`; some in their lower case, such as `і`.
    let folded = fold(&skeleton(&nfkc(name)));
    collapse_spaces(&skeleton(&folded)).replace('i', "l")
}

/// Whether the letters of a name are of scripts that are not written together. Those that are, such as Japanese's three,
/// count as one.
pub fn mixes_scripts(name: &str) -> bool {
    !name.is_ascii() && !name.is_single_script()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_have_one_shape() {
        for (one, other) in [
            ("paypal", "pаypаl"),
            ("PayPal", "pаypаl"),
            ("Bob", "Вob"),
            ("Ian", "іan"),
            ("IAN", "iаn"),
            ("Mia", "mіa"),
            ("0livia", "Оlivia"),
            ("user1", "userl"),
            ("ann b", "аnn  b"),
        ] {
            assert_eq!(shape(one), shape(other), "{one} {other}");
        }
        assert_ne!(shape("ann"), shape("anna"));
    }

    #[test]
    fn scripts_that_are_written_together_are_not_mixed() {
        for single in ["ann", "user1", "Zoë", "日本のユーザー", "한국漢字", "Ελλη 7", "анна 👩‍💻", "می‌خواهم", "👍"]
        {
            assert!(!mixes_scripts(single), "{single}");
        }
        for mixed in ["pаypаl", "Вob", "аnn", "αnn"] {
            assert!(mixes_scripts(mixed), "{mixed}");
        }
    }
}
