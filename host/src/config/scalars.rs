//! Reads numbers, text, durations, addresses and lists.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::fault::{Faults, Place};
use super::key::{At, Key, out_of_range};
use super::quantity::Unit;
use super::show::Shown;
use super::tree::{Node, Value};

impl Key for String {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        at.text().map(str::to_owned).or_else(|| at.wanted("a string", faults))
    }

    fn show(&self) -> Option<Shown> {
        Some(self.as_str().into())
    }
}

impl Key for PathBuf {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        match at.text() {
            Some("") => at.refuse("is empty; wanted a path", faults),
            Some(path) => Some(path.into()),
            None => at.wanted("a path", faults),
        }
    }

    fn show(&self) -> Option<Shown> {
        Some(self.to_string_lossy().as_ref().into())
    }
}

impl Key for bool {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        // A variable is always text, and other programs write booleans in other ways.
        let written = match (&at.node.value, &at.node.place) {
            (Value::Boolean(value), _) => return Some(*value),
            (Value::Integer(number @ (0 | 1)), _) => return Some(*number == 1),
            (Value::String(text), Place::Variable(_)) => text.trim().to_ascii_lowercase(),
            _ => String::new(),
        };
        match written.as_str() {
            "true" | "yes" | "on" => Some(true),
            "false" | "no" | "off" => Some(false),
            _ => match &at.node.value {
                Value::String(_) if !matches!(at.node.place, Place::Variable(_)) => {
                    at.wanted("true or false, without quotes", faults)
                }
                _ => at.wanted("true or false", faults),
            },
        }
    }

    fn show(&self) -> Option<Shown> {
        Some(Shown::Plain((*self).into()))
    }
}

/// The whole number that was written, with or without a unit.
fn whole_number(at: &At<'_>) -> Result<i128, String> {
    match (&at.node.value, Unit::of_key(at.key)) {
        (Value::Integer(value), _) => Ok(*value),
        (Value::String(text), Some(unit)) => unit.parse(text),
        (Value::String(text), None) if text.trim().parse::<i128>().is_ok() => {
            Err(format!("is a string; wanted an integer, {} without quotes", text.trim()))
        }
        (value, _) => Err(format!("is {}; wanted an integer", value.kind())),
    }
}

macro_rules! integers {
    ($($type:ty),+) => { $(
        impl Key for $type {
            fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
                match whole_number(at).map(Self::try_from) {
                    Ok(Ok(value)) => Some(value),
                    Ok(Err(_)) => at.refuse(out_of_range(at, &Self::MIN.to_string(), &Self::MAX.to_string()), faults),
                    Err(why) => at.refuse(why, faults),
                }
            }

            fn beyond(at: &At<'_>) -> Option<Self> {
                let number = whole_number(at).ok()?;
                match Self::try_from(number) {
                    Ok(_) => None,
                    Err(_) => Some(if number < 0 { Self::MIN } else { Self::MAX }),
                }
            }

            fn show(&self) -> Option<Shown> {
                Some(Shown::Plain(toml::Value::Integer(i64::try_from(*self).unwrap_or(i64::MAX))))
            }
        }
    )+ };
}
integers!(i32, u32, u64, usize);

impl Key for Duration {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        const WANTED: &str = "a duration such as \"30s\", \"5m\", \"24h\" or \"30d\"";
        let Some(text) = at.text() else { return at.wanted(WANTED, faults) };
        let plain = text.trim();
        match humantime::parse_duration(plain) {
            Ok(value) => Some(value),
            Err(_) if plain.is_empty() => at.refuse(format!("is empty; wanted {WANTED}"), faults),
            Err(_) if plain.starts_with('-') => at.refuse(format!("`{text}` is negative; wanted {WANTED}"), faults),
            Err(_) if plain.bytes().all(|byte| byte.is_ascii_digit()) => {
                at.refuse(format!("`{text}` has no unit; wanted {WANTED}"), faults)
            }
            Err(error) => at.refuse(format!("`{text}` is not a duration ({error}); wanted {WANTED}"), faults),
        }
    }

    fn show(&self) -> Option<Shown> {
        Some(format_duration(*self).as_str().into())
    }
}

/// A duration as an operator would write it: in the largest unit of which it is a multiple.
pub(super) fn format_duration(duration: Duration) -> String {
    const UNITS: [(u128, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let millis = duration.as_millis();
    match UNITS.iter().find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit)) {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None if duration.is_zero() => "0s".to_owned(),
        None => humantime::format_duration(duration).to_string(),
    }
}

impl Key for SocketAddr {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        const WANTED: &str = "an address and a port such as \"127.0.0.1:5000\" or \"[::]:5000\"";
        let Some(text) = at.text() else { return at.wanted(WANTED, faults) };
        listen_address(text.trim())
            .or_else(|| at.refuse(format!("`{text}` is not an address; wanted {WANTED}"), faults))
    }

    fn show(&self) -> Option<Shown> {
        Some(self.to_string().as_str().into())
    }
}

/// Parses an address, or a word for one. Host names are refused, since their addresses can change.
fn listen_address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        // `[::ffff:127.0.0.1]` is the IPv4 address.
        let canonical = address.ip().to_canonical();
        // Other addresses stay as they are, since they may have a scope.
        return Some(if canonical.is_ipv4() { SocketAddr::new(canonical, address.port()) } else { address });
    }
    let (host, port) = text.rsplit_once(':')?;
    let address = match host.to_ascii_lowercase().as_str() {
        "localhost" => Ipv4Addr::LOCALHOST,
        "" | "*" => Ipv4Addr::UNSPECIFIED,
        _ => return None,
    };
    Some((address, port.parse().ok()?).into())
}

/// Parses a network with a prefix length or a netmask, or a single address.
fn network(text: &str) -> Option<IpNet> {
    if let Ok(network) = text.parse() {
        return Some(network);
    }
    match text.split_once('/') {
        Some((address, mask)) => IpNet::with_netmask(address.parse().ok()?, mask.parse().ok()?).ok(),
        None => text.parse::<IpAddr>().ok().map(IpNet::from),
    }
}

impl Key for IpNet {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        const WANTED: &str = "an address or a network such as \"10.0.0.1\" or \"10.0.0.0/8\"";
        let Some(text) = at.text() else { return at.wanted(WANTED, faults) };
        network(text.trim()).or_else(|| at.refuse(format!("`{text}` is no network; wanted {WANTED}"), faults))
    }

    fn show(&self) -> Option<Shown> {
        Some(self.to_string().as_str().into())
    }
}

impl<T: Key> Key for Option<T> {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        T::read(at, faults).map(Some)
    }

    fn beyond(at: &At<'_>) -> Option<Self> {
        T::beyond(at).map(Some)
    }

    fn show(&self) -> Option<Shown> {
        self.as_ref().and_then(T::show)
    }
}

impl<T: Key> Key for Vec<T> {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let split: Vec<Node>;
        let one: [Node; 1];
        let items = match (&at.node.value, &at.node.place) {
            (Value::Array(items), _) => items,
            // A variable may hold a plain list: CORS_ORIGIN=https://a.example,https://b.example
            (value, place @ Place::Variable(_)) if !matches!(value, Value::Table(_)) => {
                let text = at.text().unwrap_or_default();
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                split = parts.map(|part| Node::new(place.clone(), Value::String(part.to_owned()))).collect();
                &split
            }
            (Value::Table(_), _) if T::IS_TABLE => {
                return at.refuse(format!("is one table; wanted a list of them, as [[{}]]", at.key), faults);
            }
            // A single value is a list of one.
            _ => {
                one = [at.node.clone()];
                &one[..]
            }
        };
        // Every item is read, so that all their faults are reported.
        let read: Vec<Option<T>> = items.iter().map(|node| T::read(&At { key: at.key, node }, faults)).collect();
        read.into_iter().collect()
    }

    fn show(&self) -> Option<Shown> {
        Some(Shown::array(self.iter().filter_map(T::show)))
    }
}
