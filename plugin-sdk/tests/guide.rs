//! Tests that the guide shows the plugin that is built and tested as an example.
#![allow(clippy::unwrap_used, clippy::expect_used)]

const GUIDE: &str = include_str!("../GUIDE.md");
const EXAMPLE: &str = include_str!("../examples/karma.rs");

#[test]
fn guide_shows_the_example_and_its_tests() {
    let blocks: Vec<&str> = GUIDE.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    let (plugin, tests) = (blocks[0], blocks[1]);
    assert!(EXAMPLE.contains(plugin), "examples/karma.rs and the first block of GUIDE.md differ");
    assert!(EXAMPLE.ends_with(tests), "examples/karma.rs and the second block of GUIDE.md differ");
}

#[test]
fn guide_shows_the_grants_that_the_example_needs() {
    let (grants, _) = GUIDE.split_once("grants = [").unwrap().1.split_once(']').unwrap();
    for module in ["accounts", "storage"] {
        assert!(EXAMPLE.contains(&format!("{module}::")) && grants.contains(&format!("\"{module}\"")));
    }
}
