//! Settings of the kernel below `/proc/sys`.
//!
//! The switch for connection-tracking events is the only one that is changed. With
//! `nf_conntrack_events=2` a flow that was created while nobody listened never sends an event: it would
//! be replicated once and never updated or deleted. Only 1 is right for replication.

use std::net::IpAddr;
use std::path::Path;
use std::{fs, io};

const EVENTS: &str = "/proc/sys/net/netfilter/nf_conntrack_events";

/// Returns how many flows the kernel's table takes; `None` if the kernel tracks no connections yet.
#[must_use]
pub fn table_len_max() -> Option<u32> {
    let text = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").ok()?;
    text.trim().parse().ok()
}

/// Returns whether programs may use addresses of that family which this machine does not have.
#[must_use]
pub fn may_use_foreign_addresses(family: IpAddr) -> bool {
    let path = match family {
        IpAddr::V4(_) => "/proc/sys/net/ipv4/ip_nonlocal_bind",
        IpAddr::V6(_) => "/proc/sys/net/ipv6/ip_nonlocal_bind",
    };
    fs::read_to_string(path).is_ok_and(|text| text.trim() != "0")
}

/// What was found and done.
#[derive(Debug)]
pub enum EventsSwitch {
    /// Every flow sends events.
    On,
    /// It was another value and every flow created from here on sends events.
    TurnedOn {
        /// The value it had.
        was: u8,
    },
    /// It is another value and cannot be changed.
    Refused {
        /// The value it has.
        is: u8,
        /// Why it cannot be changed.
        error: io::Error,
    },
    /// It cannot be read: the kernel has no such switch or tracks no connections.
    Unknown(io::Error),
}

/// Turns the switch on if it is not.
#[must_use]
pub fn turn_events_on() -> EventsSwitch {
    turn_on(Path::new(EVENTS))
}

fn turn_on(path: &Path) -> EventsSwitch {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return EventsSwitch::Unknown(error),
    };
    match text.trim().parse() {
        Ok(1) => EventsSwitch::On,
        Ok(was) => match fs::write(path, "1\n") {
            Ok(()) => EventsSwitch::TurnedOn { was },
            Err(error) => EventsSwitch::Refused { is: was, error },
        },
        Err(error) => EventsSwitch::Unknown(io::Error::new(io::ErrorKind::InvalidData, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_value_becomes_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nf_conntrack_events");
        for was in [0, 2] {
            fs::write(&path, format!("{was}\n")).unwrap();
            let switch = turn_on(&path);
            assert!(
                matches!(switch, EventsSwitch::TurnedOn { was: found } if found == was),
                "{switch:?}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        }
        assert!(matches!(turn_on(&path), EventsSwitch::On));
    }

    #[test]
    fn a_kernel_without_the_switch_is_told_apart() {
        assert!(matches!(
            turn_on(Path::new("/nonexistent/nf_conntrack_events")),
            EventsSwitch::Unknown(_)
        ));
    }
}
