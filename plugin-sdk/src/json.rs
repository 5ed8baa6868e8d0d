//! Reading JSON so that an error names the key.

use serde::de::DeserializeOwned;

pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(|error| {
        let path = error.path().to_string();
        let mut what = error.into_inner().to_string();
        // The place in a text that nobody wrote by hand helps nobody.
        if let Some(place) = what.rfind(" at line ") {
            what.truncate(place);
        }
        if path == "." || what.contains(&format!("`{path}`")) { what } else { format!("`{path}`: {what}") }
    })
}
