//! Inspects a component file without running it.

use super::load::{self, LoadError, MAX_FILE_BYTES};
use super::{contract, plugin};
use crate::config::Grant;

/// The properties of a plugin's file.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Size of the file in bytes.
    pub bytes: usize,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// The hooks that it exports.
    pub hooks: Vec<String>,
    /// The imports that must be granted.
    pub wants: Vec<Grant>,
    /// Why this version of the server would not load it, even with all grants.
    pub problem: Option<String>,
}

/// Inspects a file; the error says why it is no component.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, String> {
    let sentence = |error: LoadError| error.to_string();
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(sentence(LoadError::TooLarge { bytes: bytes.len() as u64 }));
    }
    load::check_kind(bytes).map_err(sentence)?;
    // Not compiled, since compiling an unknown file is only safe in a child process.
    let problem = load::check_contents(bytes).err();
    if let Some(error @ (LoadError::Broken(_) | LoadError::Proposal(_))) = problem {
        return Err(sentence(error));
    }
    let shape = contract::read_shape(bytes).map_err(|why| sentence(LoadError::Broken(why)))?;
    let wants: Vec<Grant> =
        shape.wants.iter().filter_map(|want| Grant::ALL.iter().find(|grant| grant.as_str() == want)).copied().collect();
    Ok(Inspection {
        bytes: bytes.len(),
        sha256: plugin::hex(&load::hash(bytes)),
        problem: problem.map(sentence),
        hooks: shape.hooks.into_iter().collect(),
        wants,
    })
}

/// The component's interfaces as WIT text.
pub fn wit(bytes: &[u8]) -> Result<String, String> {
    let explain = |error| format!("its interfaces cannot be shown: {error:#}");
    let decoded = wit_component::decode(bytes).map_err(explain)?;
    let mut printer = wit_component::WitPrinter::default();
    let others: Vec<_> =
        decoded.resolve().packages.iter().map(|(id, _)| id).filter(|id| *id != decoded.package()).collect();
    printer.print(decoded.resolve(), decoded.package(), &others).map_err(explain)?;
    Ok(printer.output.to_string())
}
