//! How numbers, text, durations, addresses and lists are read.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::fault::{Faults, Place};
use super::key::{At, Key};
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
        match at.node.value {
            Value::Boolean(value) => Some(value),
            _ => at.wanted("true or false", faults),
        }
    }

    fn show(&self) -> Option<Shown> {
        Some(Shown::Plain((*self).into()))
    }
}

macro_rules! integers {
    ($($type:ty),+) => { $(
        impl Key for $type {
            fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
                let Value::Integer(value) = at.node.value else { return at.wanted("an integer", faults) };
                match Self::try_from(value) {
                    Ok(value) => Some(value),
                    Err(_) => at.refuse(format!("{value} is out of range; wanted {} to {}", Self::MIN, Self::MAX), faults),
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
        match humantime::parse_duration(text) {
            Ok(value) => Some(value),
            Err(error) => at.refuse(format!("`{text}` is not a duration ({error}); wanted {WANTED}"), faults),
        }
    }

    fn show(&self) -> Option<Shown> {
        Some(written(*self).as_str().into())
    }
}

/// As an operator would write it: in the largest unit that it is a multiple of.
pub(super) fn written(duration: Duration) -> String {
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
        text.parse().ok().or_else(|| at.refuse(format!("`{text}` is not an address; wanted {WANTED}"), faults))
    }

    fn show(&self) -> Option<Shown> {
        Some(self.to_string().as_str().into())
    }
}

impl Key for IpNet {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        const WANTED: &str = "an address or a network such as \"10.0.0.1\" or \"10.0.0.0/8\"";
        let Some(text) = at.text() else { return at.wanted(WANTED, faults) };
        let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(Self::from));
        network.or_else(|| at.refuse(format!("`{text}` is no network; wanted {WANTED}"), faults))
    }

    fn show(&self) -> Option<Shown> {
        Some(self.to_string().as_str().into())
    }
}

impl<T: Key> Key for Option<T> {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        T::read(at, faults).map(Some)
    }

    fn show(&self) -> Option<Shown> {
        self.as_ref().and_then(T::show)
    }
}

impl<T: Key> Key for Vec<T> {
    fn read(at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let split: Vec<Node>;
        let items = match (&at.node.value, &at.node.place) {
            (Value::Array(items), _) => items,
            // A variable may hold a plain list: CORS_ORIGIN=https://a.example,https://b.example
            (Value::String(text), place @ Place::Variable(_)) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                split = parts.map(|part| Node::new(place.clone(), Value::String(part.to_owned()))).collect();
                &split
            }
            _ => return at.wanted("an array", faults),
        };
        // Every item is read, so that all their faults are told.
        let read: Vec<Option<T>> = items.iter().map(|node| T::read(&At { key: at.key, node }, faults)).collect();
        read.into_iter().collect()
    }

    fn show(&self) -> Option<Shown> {
        Some(Shown::array(self.iter().filter_map(T::show)))
    }
}
