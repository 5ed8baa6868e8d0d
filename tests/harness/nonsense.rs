//! Strategies for malformed frames: mutated valid ones, and arbitrary text.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

/// Placeholder for the mutated part; occurs in no valid frame.
const HOLE: &str = "\u{e000}";

/// Mutations of these valid frames, and arbitrary text.
pub(crate) fn frame(valid: Vec<Value>) -> impl Strategy<Value = String> {
    let valid = select(valid);
    prop_oneof![
        8 => (valid.clone(), any::<Index>(), odd_value()).prop_map(|(frame, which, odd)| put(&frame, which, &odd)),
        2 => (valid.clone(), any::<Index>(), odd_value()).prop_map(|(frame, which, odd)| twice(&frame, which, &odd)),
        2 => (valid.clone(), any::<Index>()).prop_map(|(frame, which)| without(frame, which)),
        2 => (valid.clone(), any::<Index>()).prop_map(|(frame, end)| cut(&frame.to_string(), end)),
        2 => (valid.clone(), any::<Index>(), any::<char>()).prop_map(|(frame, place, typo)| mistyped(&frame.to_string(), place, typo)),
        1 => (valid.clone(), select(vec!["\u{feff}", " \n\t", "\u{0}"])).prop_map(|(frame, before)| format!("{before}{frame}")),
        1 => (valid.clone(), select(vec!["}", "{}", "\u{0}", "\n", "null"])).prop_map(|(frame, after)| format!("{frame}{after}")),
        2 => valid.prop_map(|frame| frame.to_string()),
        2 => any_json().prop_map(|value| value.to_string()),
        1 => odd_value(),
        1 => ".{0,60}",
        1 => Just(String::new()),
    ]
}

/// Unusual JSON values, and some invalid JSON.
fn odd_value() -> impl Strategy<Value = String> {
    let small = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "-1",
        "0.5",
        "1e-400",
        "1e400",
        "-1e308",
        "2147483648",
        "4294967296",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "123456789012345678901234567890",
        "[]",
        "{}",
        "[null]",
        "[1,\"a\",{}]",
        "{\"a\":{\"a\":{}}}",
        r#""""#,
        r#"" ""#,
        r#""1""#,
        r#""lobby""#,
        r#""\u0000""#,
        r#""a\u0000b""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud83d\udc38""#,
        r#""\u202eabc""#,
        r#""e\u0301""#,
        r#""/help""#,
        r#""/create""#,
        r#""//""#,
        r#""' OR 1=1 --""#,
        r#""%00""#,
        r#""../../etc/passwd""#,
        r#""<script>alert(1)</script>""#,
        r#""\n\r\t""#,
        r#""\x""#,
        r#""unclosed"#,
        r#""00000000-0000-0000-0000-000000000000""#,
        "NaN",
        "Infinity",
        "undefined",
        "'single'",
        "01",
        "+1",
        "1.",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "// a comment",
    ];
    prop_oneof![
        20 => select(small.to_vec()).prop_map(str::to_owned),
        3 => any::<i64>().prop_map(|number| number.to_string()),
        2 => any::<f64>().prop_map(|number| number.to_string()),
        4 => any::<String>().prop_map(|text| Value::String(text).to_string()),
        1 => (10..6000_usize).prop_map(|length| format!("\"{}\"", "é".repeat(length))),
        1 => (1..6000_usize).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth))),
        1 => (1..2000_usize).prop_map(|depth| format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth))),
        1 => (1..2000_usize).prop_map(|length| format!("[{}0]", "0,".repeat(length))),
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,10}".prop_map(Value::from),
    ];
    let name = prop_oneof![
        select(vec!["id", "op", "args", "type", "payload", "event", "data", "name", "room", "message"])
            .prop_map(str::to_owned),
        ".{0,6}",
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// JSON pointers to a value and all values within it.
fn places(value: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, field)| walk(field, &format!("{at}/{name}"), found))
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(n, item)| walk(item, &format!("{at}/{n}"), found))
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// The frame with any text in place of the value at a pointer.
fn fill(frame: &Value, place: &str, text: &str) -> String {
    let mut frame = frame.clone();
    if let Some(there) = frame.pointer_mut(place) {
        *there = Value::from(HOLE);
    }
    frame.to_string().replace(&format!("\"{HOLE}\""), text)
}

fn put(frame: &Value, which: Index, odd: &str) -> String {
    let places = places(frame);
    fill(frame, &places[which.index(places.len())], odd)
}

/// The frame with one field given twice.
fn twice(frame: &Value, which: Index, odd: &str) -> String {
    let mut fields = places(frame);
    fields.retain(|place| frame.pointer(place.rsplit_once('/').map_or("", |(of, _)| of)).is_some_and(Value::is_object));
    fields.retain(|place| !place.is_empty());
    if fields.is_empty() {
        return frame.to_string();
    }
    let (of, name) = fields[which.index(fields.len())].rsplit_once('/').unwrap_or_default();
    let object = frame.pointer(of).map(Value::to_string).unwrap_or_default();
    fill(frame, of, &format!("{{\"{name}\":{odd},{}", object.trim_start_matches('{')))
}

fn without(mut frame: Value, which: Index) -> String {
    let fields: Vec<String> = places(&frame).into_iter().filter(|place| !place.is_empty()).collect();
    if !fields.is_empty() {
        let (of, name) = fields[which.index(fields.len())].rsplit_once('/').unwrap_or_default();
        if let Some(object) = frame.pointer_mut(of).and_then(Value::as_object_mut) {
            object.remove(name);
        }
    }
    frame.to_string()
}

fn cut(text: &str, end: Index) -> String {
    let chars = text.chars().count();
    text.chars().take(end.index(chars.max(1))).collect()
}

fn mistyped(text: &str, place: Index, typo: char) -> String {
    let at = place.index(text.chars().count().max(1));
    text.chars().enumerate().map(|(n, char)| if n == at { typo } else { char }).collect()
}
