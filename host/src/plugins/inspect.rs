//! What a component asks for and what it offers, told without running it.

use super::load::{self, FILE_BYTES, LoadError};
use super::{contract, plugin};
use crate::config::Grant;

/// What a plugin's file says about itself.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub bytes: usize,
    pub sha256: String,
    /// What the host would ask it.
    pub hooks: Vec<String>,
    /// What it has to be granted.
    pub wants: Vec<Grant>,
    /// Why no server like this one would load it, whatever it is granted.
    pub problem: Option<String>,
}

/// Reads a component; the error says why it is none.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, String> {
    let sentence = |error: LoadError| error.to_string();
    if bytes.len() as u64 > FILE_BYTES {
        return Err(sentence(LoadError::TooLarge { bytes: bytes.len() as u64 }));
    }
    load::check_kind(bytes).map_err(sentence)?;
    // Nothing is compiled: that is for a process of its own.
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

/// The component's interfaces, in the language that contracts are written in.
pub fn wit(bytes: &[u8]) -> Result<String, String> {
    let explain = |error| format!("its interfaces cannot be shown: {error:#}");
    let decoded = wit_component::decode(bytes).map_err(explain)?;
    let mut printer = wit_component::WitPrinter::default();
    let others: Vec<_> =
        decoded.resolve().packages.iter().map(|(id, _)| id).filter(|id| *id != decoded.package()).collect();
    printer.print(decoded.resolve(), decoded.package(), &others).map_err(explain)?;
    Ok(printer.output.to_string())
}
