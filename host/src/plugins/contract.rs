//! Reads a component's imports and exports from its type, without running it.

use std::collections::BTreeSet;

use semver::Version;
use wasmparser::{Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::imports;

/// The contract's WIT package.
const PACKAGE: &str = "natterjack:plugin";
/// The contract's version.
pub(super) const VERSION: Version = Version::new(0, 1, 0);
/// The hooks; a plugin exports at least one of them.
pub(super) const HOOKS: &[&str] = &["commands", "message-filter", "room-guard", "observer", "timer"];
const LIFECYCLE: &str = "lifecycle";
/// WASI packages that are linked, without access to anything.
const WASI: &[&str] = &["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];

/// A component's imports and exports, classified.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Imported interfaces that must be granted.
    pub(super) wants: BTreeSet<String>,
    /// Exported interfaces that the host calls.
    pub(super) hooks: BTreeSet<String>,
    /// Full names of imports and exports that this server does not know.
    pub(super) unknown_imports: Vec<String>,
    pub(super) unknown_exports: Vec<String>,
    /// The first import or export of another version of the contract.
    pub(super) other_version: Option<String>,
}

impl Shape {
    /// Whether it exports a hook, and not only `lifecycle`.
    pub(super) fn is_called(&self) -> bool {
        self.hooks.iter().any(|hook| hook != LIFECYCLE)
    }
}

/// Reads the shape of a compiled component.
pub(super) fn shape(component: &Component, engine: &Engine) -> Shape {
    let ty = component.component_type();
    let imports: Vec<_> = ty.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let exports: Vec<_> = ty.exports(engine).map(|(name, _)| name.to_owned()).collect();
    classify(imports.iter().map(String::as_str), exports.iter().map(String::as_str))
}

/// Reads the shape of a component file without compiling it.
pub(super) fn read_shape(bytes: &[u8]) -> Result<Shape, String> {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0_u32;
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| error.to_string())? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(|error| error.to_string())?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(|error| error.to_string())?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(classify(imports.iter().map(String::as_str), exports.iter().map(String::as_str)))
}

fn classify<'a>(imports: impl Iterator<Item = &'a str>, exports: impl Iterator<Item = &'a str>) -> Shape {
    let mut shape = Shape::default();
    for name in imports {
        match contract_interface(name) {
            None if is_wasi(name) => {}
            None => shape.unknown_imports.push(name.to_owned()),
            Some((_, Some(version))) if !is_compatible(&version) => {
                shape.other_version.get_or_insert_with(|| name.to_owned());
            }
            Some(("types", _)) => {}
            Some((interface, _)) if imports::is_always(interface) => {}
            Some((interface, _)) if imports::grants().any(|grant| grant == interface) => {
                shape.wants.insert(interface.to_owned());
            }
            Some(_) => shape.unknown_imports.push(name.to_owned()),
        }
    }
    for name in exports {
        match contract_interface(name) {
            // Exports for other hosts are ignored.
            None => {}
            Some((_, Some(version))) if !is_compatible(&version) => {
                shape.other_version.get_or_insert_with(|| name.to_owned());
            }
            Some(("types", _)) => {}
            Some((interface, _)) if interface == LIFECYCLE || HOOKS.contains(&interface) => {
                shape.hooks.insert(interface.to_owned());
            }
            Some(_) => shape.unknown_exports.push(name.to_owned()),
        }
    }
    shape
}

/// The interface and version of a name, if it is in the contract's package.
fn contract_interface(name: &str) -> Option<(&str, Option<Version>)> {
    let interface = name.strip_prefix(PACKAGE)?.strip_prefix('/')?;
    Some(match interface.split_once('@') {
        Some((interface, version)) => (interface, Version::parse(version).ok()),
        None => (interface, None),
    })
}

/// Whether plugins for this version of the contract can run: within 0.x each minor version is incompatible.
fn is_compatible(version: &Version) -> bool {
    // From 1.0 on, the minor version need not be equal.
    (version.major, version.minor) == (VERSION.major, VERSION.minor)
}

fn is_wasi(name: &str) -> bool {
    let (package, version) = name.split_once('@').unwrap_or((name, ""));
    let package = package.split_once('/').map_or(package, |(package, _)| package);
    WASI.contains(&package) && version.starts_with("0.2.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape_of(imports: &[&str], exports: &[&str]) -> Shape {
        classify(imports.iter().copied(), exports.iter().copied())
    }

    #[test]
    fn imports_that_need_grants_are_listed() {
        let shape = shape_of(
            &[
                "wasi:cli/stdout@0.2.6",
                "natterjack:plugin/types@0.1.0",
                "natterjack:plugin/log@0.1.0",
                "natterjack:plugin/storage@0.1.0",
                "natterjack:plugin/rooms-admin@0.1.3",
            ],
            &["natterjack:plugin/lifecycle@0.1.0", "natterjack:plugin/commands@0.1.0"],
        );
        assert_eq!(shape.wants, BTreeSet::from(["storage".into(), "rooms-admin".into()]));
        assert_eq!(shape.hooks, BTreeSet::from(["lifecycle".into(), "commands".into()]));
        assert_eq!(shape.other_version, None);
        assert!(shape.unknown_imports.is_empty() && shape.unknown_exports.is_empty());
    }

    #[test]
    fn unknown_imports_and_exports_are_listed() {
        let shape = shape_of(
            &["wasi:http/outgoing-handler@0.2.0", "natterjack:plugin/telepathy@0.1.0", "env"],
            &["natterjack:plugin/horoscope@0.1.0", "wasi:cli/run@0.2.0"],
        );
        assert_eq!(
            shape.unknown_imports,
            ["wasi:http/outgoing-handler@0.2.0", "natterjack:plugin/telepathy@0.1.0", "env"]
        );
        assert_eq!(shape.unknown_exports, ["natterjack:plugin/horoscope@0.1.0"]);
    }

    #[test]
    fn import_of_another_contract_version_is_reported() {
        let shape = shape_of(&[], &["natterjack:plugin/message-filter@0.2.0"]);
        assert_eq!(shape.other_version.as_deref(), Some("natterjack:plugin/message-filter@0.2.0"));
        assert!(shape.hooks.is_empty());
    }
}
