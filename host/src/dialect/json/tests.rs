use serde::Deserialize;
use serde_json::Value;

use super::*;

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Everything {
    text: Option<String>,
    number: Option<u32>,
    list: Option<Vec<String>>,
    flag: Option<bool>,
    id: Option<IntegerId>,
    counted: Counted,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Required {
    text: String,
    number: u32,
    inner: Inner,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Inner {
    words: Vec<String>,
    choice: Choice,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Choice {
    This,
    That,
}

#[test]
fn optional_fields_are_absent_if_null_empty_or_zero() {
    for field in ["text", "number", "list", "flag", "id"] {
        for nothing in ["null", r#""""#, "0", "0.0", "-0"] {
            let text = format!(r#"{{"{field}":{nothing}}}"#);
            assert_eq!(frame(&text), Ok(Everything::default()), "{text}");
        }
    }
    assert_eq!(frame(r#"{"list":[]}"#), Ok(Everything { list: Some(Vec::new()), ..Everything::default() }));
    assert_eq!(frame(r#"{"list":{}}"#), Ok(Everything { list: Some(Vec::new()), ..Everything::default() }));
    assert_eq!(frame(r#"{"counted":null}"#), Ok(Everything::default()));
    assert_eq!(frame(r#"{"counted":""}"#), Ok(Everything::default()));
    assert_eq!(frame(r#"{"counted":0}"#), Ok(Everything { counted: Counted(Some(0)), ..Everything::default() }));
}

#[test]
fn other_values_are_kept() {
    let text = r#"{"text":"0","number":7.0,"list":["a\u00e9"],"flag":false,"id":"20","counted":3}"#;
    let wanted = Everything {
        text: Some("0".into()),
        number: Some(7),
        list: Some(vec!["aé".into()]),
        flag: Some(false),
        id: Some(IntegerId(20)),
        counted: Counted(Some(3)),
    };
    assert_eq!(frame(text), Ok(wanted));
    // REST is strict.
    assert!(object::<Everything>(r#"{"number":""}"#, "the body", false).is_err());
    assert!(object::<Everything>(r#"{"text":0}"#, "the body", false).is_err());
}

#[test]
fn faults_name_the_field_in_terms_of_json() {
    let why = |text: &str| frame::<Required>(text).unwrap_err().to_string();
    let inner = r#""inner":{"words":["a"],"choice":"this"}"#;
    assert!(frame::<Required>(&format!(r#"{{"text":"a","number":1,{inner}}}"#)).is_ok());
    for (text, wanted) in [
        ("", "the frame is not JSON: it ends too early"),
        ("{", "the frame is not JSON: it ends too early"),
        ("{é}", "the frame is not JSON: character 2 is not expected there"),
        ("{\n\"a\": ?}", "the frame is not JSON: character 8 is not expected there"),
        ("{} {}", "the frame is not JSON: there is trailing text behind it"),
        ("[]", "the frame should be a JSON object"),
        (r#""text""#, "the frame should be a JSON object"),
        ("{}", "text: is missing"),
        (r#"{"text":5}"#, "text: should be a text, not a number"),
        (r#"{"text":null}"#, "text: should be a text, not null"),
        (r#"{"text":["a"]}"#, "text: should be a text, not a list"),
        (r#"{"text":{}}"#, "text: should be a text, not an object"),
        (r#"{"text":true}"#, "text: should be a text, not true"),
        (r#"{"text":"a","text":"b"}"#, "text: is given twice"),
        (r#"{"text":"\ud800"}"#, "text: holds an escape that stands for no character"),
        (r#"{"number":"1"}"#, "number: should be a whole number, not a text"),
        (r#"{"number":1.5}"#, "number: should be a whole number, not a fraction"),
        (r#"{"number":-1}"#, "number: should be a whole number that is not negative"),
        (r#"{"number":99999999999}"#, "number: should be a whole number that is not so large"),
        (r#"{"number":1e999}"#, "number: is a number that is too large"),
        (r#"{"inner":7}"#, "inner: should be an object, not a number"),
        (r#"{"inner":["a","b"]}"#, "inner: should be an object, not a list"),
        (r#"{"inner":{}}"#, "inner.words: is missing"),
        (r#"{"inner":{"words":"a"}}"#, "inner.words: should be a list, not a text"),
        (r#"{"inner":{"words":["a",7]}}"#, "inner.words[1]: should be a text, not a number"),
        (r#"{"inner":{"choice":"other"}}"#, "inner.choice: there is no `other`; there is `this` or `that`"),
        (r#"{"inner":{"choice":7}}"#, "inner.choice: should be a text, not a number"),
    ] {
        assert_eq!(why(text), wanted, "{text}");
    }
}

#[test]
fn deep_nesting_is_refused_only_in_fields_that_are_read() {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    assert_eq!(frame(&format!(r#"{{"other":{deep}}}"#)), Ok(Everything::default()));
    let fault = value::<Value>(&deep, "args").unwrap_err().to_string();
    assert!(fault.ends_with(": is nested too deeply"), "{fault}");
}

#[test]
fn flattened_fields_of_the_frame_precede_those_of_the_inner_object() {
    let read = |text: &str| flattened::<Everything>(text, "data");
    let both = Everything { text: Some("outer".into()), number: Some(2), ..Everything::default() };
    assert_eq!(read(r#"{"text":"outer","data":{"text":"inner","number":2}}"#), Ok(both));
    let inner = Everything { text: Some("inner".into()), number: Some(2), ..Everything::default() };
    for nothing in [r#""text":"","number":0"#, r#""text":null,"number":null"#] {
        assert_eq!(read(&format!(r#"{{{nothing},"data":{{"text":"inner","number":2}}}}"#)).as_ref(), Ok(&inner));
    }
    assert_eq!(
        read(r#"{"data":{"number":"x"}}"#).unwrap_err().to_string(),
        "data.number: should be a whole number, not a text"
    );
    assert_eq!(
        read(r#"{"number":"x","data":{}}"#).unwrap_err().to_string(),
        "number: should be a whole number, not a text"
    );
    for other in ["null", "7", r#""text""#, "[]"] {
        assert_eq!(read(&format!(r#"{{"data":{other}}}"#)), Ok(Everything::default()));
    }
}
