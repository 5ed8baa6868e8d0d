//! Parses quantities with units: `10MB`, `10 MiB`, `5ms`.

use std::time::Duration;

/// The unit of a key's number, given by the suffix of the key's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Bytes,
    Kib,
    Mib,
    Millis,
}

impl Unit {
    /// The unit of a key, if it has one.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        let units = [("_bytes", Self::Bytes), ("_kib", Self::Kib), ("_mib", Self::Mib), ("_ms", Self::Millis)];
        units.into_iter().find_map(|(ending, unit)| key.ends_with(ending).then_some(unit))
    }

    /// A number of this unit in the largest unit that it is a multiple of; none for times.
    pub(super) fn spell(self, number: &str) -> Option<String> {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut at = match self {
            Self::Bytes => 0,
            Self::Kib => 1,
            Self::Mib => 2,
            Self::Millis => return None,
        };
        let mut number: u128 = number.parse().ok()?;
        while number >= 1024 && number.is_multiple_of(1024) && at + 1 < units.len() {
            (number, at) = (number / 1024, at + 1);
        }
        Some(format!("{number} {}", units[at]))
    }

    /// Converts a text with a unit of its own to this unit; the error says what was wanted.
    pub(super) fn parse(self, text: &str) -> Result<i128, String> {
        let (all, each, wanted) = match self {
            Self::Millis => (millis(text), 1, "milliseconds such as 500 or \"500ms\""),
            Self::Bytes => (bytes(text), 1, "bytes such as 65536, \"64KiB\" or \"10MB\""),
            Self::Kib => (bytes(text), 1 << 10, "KiB such as 19456 or \"19MiB\""),
            Self::Mib => (bytes(text), 1 << 20, "MiB such as 32 or \"32MiB\""),
        };
        if text.trim().is_empty() {
            return Err(format!("is empty; wanted {wanted}"));
        }
        if text.trim().starts_with('-') {
            return Err(format!("`{text}` is negative; wanted {wanted}"));
        }
        let all = all.ok_or_else(|| format!("`{text}` is not understood; wanted {wanted}"))?;
        if all % each != 0 {
            return Err(format!("`{text}` is no whole number of the key's unit; wanted {wanted}"));
        }
        i128::try_from(all / each).map_err(|_| format!("`{text}` is too large; wanted {wanted}"))
    }
}

fn millis(text: &str) -> Option<u128> {
    let duration: Duration = humantime::parse_duration(text.trim()).ok()?;
    duration.subsec_nanos().is_multiple_of(1_000_000).then_some(duration.as_millis())
}

/// `kB`, `MB`, `GB` and `TB` are powers of 1000; `KiB` and so on, and a letter alone, are powers of 1024.
fn bytes(text: &str) -> Option<u128> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit: u128 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" | "byte" | "bytes" => 1,
        "kb" => 1000,
        "mb" => 1000 * 1000,
        "gb" => 1000 * 1000 * 1000,
        "tb" => 1000 * 1000 * 1000 * 1000,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "t" | "tib" => 1 << 40,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let (whole, part) = (whole.replace('_', ""), part.replace('_', ""));
    if whole.is_empty() || (part.is_empty() && number.contains('.')) || part.len() > 9 {
        return None;
    }
    let whole = whole.parse::<u128>().ok()?.checked_mul(unit)?;
    if part.is_empty() {
        return Some(whole);
    }
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let part = part.parse::<u128>().ok()?.checked_mul(unit)?;
    part.is_multiple_of(scale).then(|| whole.checked_add(part / scale)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_common_notations() {
        for (text, wanted) in [
            ("10", 10),
            ("10 B", 10),
            ("64k", 65_536),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("10MB", 10_000_000),
            ("10 MiB", 10_485_760),
            ("10M", 10_485_760),
            ("1.5GiB", 1_610_612_736),
            ("1_000 kB", 1_000_000),
            ("2TB", 2_000_000_000_000),
        ] {
            assert_eq!(Unit::Bytes.parse(text), Ok(wanted), "{text}");
        }
        for text in ["", "MB", "10 MBit", "-1MB", "1.MB", "1..5MB", "ten", "10 000", "9e99TB", "0.1B"] {
            assert!(Unit::Bytes.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn other_units_are_converted_to_whole_numbers() {
        assert_eq!(Unit::Mib.parse("1GiB"), Ok(1024));
        assert_eq!(Unit::Kib.parse("19 MiB"), Ok(19_456));
        assert_eq!(Unit::Millis.parse("1s 500ms"), Ok(1500));
        assert!(Unit::Mib.parse("10MB").unwrap_err().contains("no whole number"));
        assert!(Unit::Millis.parse("5us").is_err());
    }
}
