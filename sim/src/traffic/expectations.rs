//! What helpers foretell, and what comes of it.

use std::net::{Ipv4Addr, Ipv6Addr};

use engine::cache::FlowKey;
use engine::flow::{Addrs, Direction, ExpectFlags, ExpectNat, Expectation, Flow, FunctionName, L4Key, Tuple};
use engine::input::Errno;
use engine::time::Instant;

use super::{Traffic, begin_flow};
use crate::kernel::Kernel;
use crate::replay::Rng;

impl Traffic {
    /// The helper of a flow, if it has one, expects another between the same hosts.
    pub(super) fn foretell(&mut self, key: &FlowKey, kernel: &mut Kernel, now: Instant) {
        let Some(flow) = kernel.flow(key, now) else { return };
        // The protocol has no room for the zone of an expectation.
        if flow.helper.is_none() || flow.zone.is_some() {
            return;
        }
        self.next_foretold = self.next_foretold.wrapping_add(1).max(1_024);
        let expectation = foretold(&flow, self.next_foretold, &mut self.rng);
        match kernel.foretell(expectation, now) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => unreachable!("a flow with a helper foretells another: {errno}"),
        }
    }

    /// A flow comes that was foretold, or nobody waits for it any longer.
    pub(super) fn arrive(&mut self, kernel: &mut Kernel, now: Instant) {
        let expectations = kernel.expectations(now);
        let Some(last) = expectations.len().checked_sub(1) else {
            return;
        };
        let place = self.rng.between(0, u64::try_from(last).expect("a short list"));
        let expectation = &expectations[usize::try_from(place).expect("a place in it")];
        if expectation.flags != Some(ExpectFlags::PERMANENT) {
            kernel.end_expectation(&expectation.tuple, now);
        }
        if let (true, Some((_, dst))) = (self.rng.happens(700), expectation.tuple.ports()) {
            let src = self.rng.between_u16(50_000, 60_000);
            let orig = Tuple {
                key: L4Key::Ports { src, dst },
                ..expectation.tuple
            };
            begin_flow(self.flow(orig, None, Some(expectation.master)), kernel, now);
        }
    }
}

/// Draws what the helper of `master` expects at `port`.
fn foretold(master: &Flow, port: u16, rng: &mut Rng) -> Expectation {
    let ports = |src, dst| L4Key::Ports { src, dst };
    let ones = match master.orig.addrs {
        Addrs::V4 { .. } => Addrs::V4 {
            src: Ipv4Addr::BROADCAST,
            dst: Ipv4Addr::BROADCAST,
        },
        Addrs::V6 { .. } => Addrs::V6 {
            src: Ipv6Addr::from_bits(u128::MAX),
            dst: Ipv6Addr::from_bits(u128::MAX),
        },
    };
    // The protocol has no room for a translation of the other family.
    let nat = match master.orig.addrs {
        Addrs::V4 { src, .. } if rng.happens(300) => Some(ExpectNat {
            direction: Direction::Reply,
            tuple: Tuple {
                addrs: Addrs::V4 {
                    src,
                    dst: Ipv4Addr::UNSPECIFIED,
                },
                key: ports(port, 0),
                ..master.orig
            },
        }),
        Addrs::V4 { .. } | Addrs::V6 { .. } => None,
    };
    Expectation {
        master: master.orig,
        tuple: Tuple {
            key: ports(0, port),
            ..master.orig
        },
        mask: Tuple {
            addrs: ones,
            key: ports(0, u16::MAX),
            ..master.orig
        },
        timeout_secs: Some(rng.between_u32(5, 300)),
        id: None,
        zone: None,
        flags: Some(rng.choose(&[ExpectFlags(0), ExpectFlags::PERMANENT])),
        class: Some(rng.between_u32(0, 1)),
        nat,
        helper: master.helper,
        function: rng
            .happens(300)
            .then(|| FunctionName::from_bytes(b"nat-follow-master").expect("a short name")),
    }
}
