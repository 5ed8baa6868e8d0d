use std::collections::BTreeMap;
use std::num::NonZeroU8;

use serde::Deserialize;

use super::*;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Shape {
    Dot,
    Circle(u8),
    Line { from: i8, to: i8 },
    Pair(u8, u8),
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Everything {
    text: String,
    letter: Option<char>,
    small: Option<u8>,
    signed: Option<i8>,
    share: Option<f32>,
    flag: Option<bool>,
    nonzero: Option<NonZeroU8>,
    words: Option<Vec<String>>,
    pair: Option<(u8, u8)>,
    shape: Option<Shape>,
    points: Option<BTreeMap<u32, Vec<u8>>>,
    inner: Option<Inner>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Inner {
    name: String,
}

#[test]
fn values_of_every_kind_are_read() {
    let read = |fields: &str| read::<Everything>(&format!(r#"{{"text":"a"{fields}}}"#));
    let plain = read("").unwrap();
    assert_eq!((&*plain.text, &plain.shape, &plain.inner), ("a", &None, &None));
    assert_eq!(read(r#","letter":"é""#).unwrap().letter, Some('é'));
    let numbers = read(r#","small":255,"signed":-128"#).unwrap();
    assert_eq!((numbers.small, numbers.signed), (Some(255), Some(-128)));
    let others = read(r#","share":1,"flag":false"#).unwrap();
    assert_eq!((others.share, others.flag), (Some(1.0), Some(false)));
    assert_eq!(read(r#","words":["x","y"]"#).unwrap().words, Some(vec!["x".into(), "y".into()]));
    assert_eq!(read(r#","pair":[1,2],"nonzero":7"#).unwrap().pair, Some((1, 2)));
    for (shape, wanted) in [
        (r#""dot""#, Shape::Dot),
        (r#"{"dot":null}"#, Shape::Dot),
        (r#"{"circle":3}"#, Shape::Circle(3)),
        (r#"{"line":{"from":-1,"to":1}}"#, Shape::Line { from: -1, to: 1 }),
        (r#"{"pair":[1,2]}"#, Shape::Pair(1, 2)),
    ] {
        assert_eq!(read(&format!(r#","shape":{shape}"#)).unwrap().shape, Some(wanted), "{shape}");
    }
    let points = read(r#","points":{"7":[1],"8":[]}"#).unwrap().points;
    assert_eq!(points, Some(BTreeMap::from([(7, vec![1]), (8, Vec::new())])));
    assert_eq!(read(r#","small":null,"inner":{"name":"b","more":1}"#).unwrap().inner.unwrap().name, "b");
}

#[test]
fn faults_name_the_field_and_speak_no_rust() {
    let known = "known are `text`, `letter`, `small`, `signed`, `share`, `flag`, `nonzero`, `words`, `pair`, `shape`, \
                 `points` and `inner`";
    for (text, wanted) in [
        ("", "is not JSON: it ends too early"),
        ("{", "is not JSON: it ends too early"),
        ("{\n\"a\": ?}", "is not JSON: line 2, character 6"),
        ("[]", "should be an object, not a list"),
        ("7", "should be an object, not a number"),
        ("{}", "text: is missing"),
        (r#"{"text":null}"#, "text: should be a text, not null"),
        (r#"{"text":5}"#, "text: should be a text, not a number"),
        (r#"{"text":1.5}"#, "text: should be a text, not a fraction"),
        (r#"{"text":true}"#, "text: should be a text, not true"),
        (r#"{"text":["a"]}"#, "text: should be a text, not a list"),
        (r#"{"text":{}}"#, "text: should be a text, not an object"),
        (r#"{"letter":"ab"}"#, "letter: should be a text of one character"),
        (r#"{"small":"six"}"#, "small: should be a whole number, not a text"),
        (r#"{"small":256}"#, "small: should be a whole number that is not so large"),
        (r#"{"small":-1}"#, "small: should be a whole number that is not negative"),
        (r#"{"signed":-129}"#, "signed: should be a whole number that is not so small"),
        (r#"{"small":99999999999999999999}"#, "small: should be a whole number that is not so large"),
        (r#"{"small":1.5}"#, "small: should be a whole number, not a fraction"),
        (r#"{"nonzero":0}"#, "nonzero: should be a whole number other than 0"),
        (r#"{"share":"x"}"#, "share: should be a number, not a text"),
        (r#"{"flag":"yes"}"#, "flag: should be true or false, not a text"),
        (r#"{"words":"x"}"#, "words: should be a list, not a text"),
        (r#"{"words":["x",7]}"#, "words[1]: should be a text, not a number"),
        (r#"{"pair":[1]}"#, "pair: should be a list of 2"),
        (r#"{"shape":"cube"}"#, "shape: there is no `cube`; there is `dot`, `circle`, `line` or `pair`"),
        (r#"{"shape":7}"#, "shape: should be a text, not a number"),
        (r#"{"shape":{"line":{"from":"x"}}}"#, "shape.line.from: should be a whole number, not a text"),
        (r#"{"shape":{"line":{"from":1}}}"#, "shape.line.to: is missing"),
        (r#"{"shape":{}}"#, "shape: should be an object with one field"),
        (r#"{"points":{"x":[]}}"#, "points: should be a whole number, not a text"),
        (r#"{"points":{"7":[300]}}"#, "points.7[0]: should be a whole number that is not so large"),
        (r#"{"inner":{}}"#, "inner.name: is missing"),
        (r#"{"inner":7}"#, "inner: should be an object, not a number"),
        (r#"{"text":"a","":1}"#, &format!("\"\": is unknown here; {known}")),
        (r#"{"txt":"a"}"#, &format!("txt: is unknown here; {known}")),
    ] {
        assert_eq!(read::<Everything>(text).unwrap_err().to_string(), wanted, "{text}");
    }
}
