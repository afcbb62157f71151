//! What the process pays for a table of a million flows, as the kernel counts it.

use core::net::Ipv4Addr;
use core::num::NonZeroU32;
use std::fs;

use engine::cache::{FlowCache, FlowKey, HashKey};
use engine::flow::{Addrs, Flow, L4Key, ProtoState, Protocol, Status, Synproxy, Tcp, TcpState, Tuple};

const N_FLOWS: u32 = 1_000_000;
const LIMIT_BYTES: u64 = 160_000_000;

/// The n-th plain TCP flow, as the kernel reports one made through netlink.
fn plain(n: u32) -> Flow {
    let orig = Tuple {
        addrs: Addrs::V4 {
            src: Ipv4Addr::from_bits(n),
            dst: Ipv4Addr::new(192, 0, 2, 1),
        },
        proto: Protocol::TCP,
        key: L4Key::Ports {
            src: 40_000,
            dst: 443,
        },
    };
    Flow {
        reply: Some(orig.mirrored()),
        status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED),
        timeout_secs: Some(431_999),
        mark: Some(0),
        proto: ProtoState::Tcp(Tcp::in_state(TcpState::ESTABLISHED)),
        synproxy: Some(Synproxy::ZERO),
        id: Some(n),
        ..Flow::new(orig)
    }
}

/// Returns the most memory that this process ever had, in bytes, if the system tells it.
fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

#[test]
fn a_million_flows_that_come_and_go_fit_in_160_mb_at_the_peak() {
    let before = peak_bytes().expect("Linux tells the peak of a process");
    let mut cache = FlowCache::new(NonZeroU32::new(N_FLOWS).unwrap(), HashKey(1, 2));
    for n in 0..N_FLOWS {
        cache.insert(&plain(n), 0).unwrap();
    }
    // A third is replaced by others: keys leave traces in the index, slots are used again.
    for n in (0..N_FLOWS).step_by(3) {
        let id = cache.find(&FlowKey::of(&plain(n))).unwrap();
        cache.merge(id, &plain(n), 1);
        cache.remove(id);
        cache.insert(&plain(N_FLOWS + n), 1).unwrap();
    }
    assert_eq!(cache.len(), N_FLOWS);
    let used = peak_bytes().map_or(u64::MAX, |peak| peak - before);
    assert!(used <= LIMIT_BYTES, "{used} bytes");
    assert!(
        cache.memory_bytes() <= 128 * N_FLOWS as usize,
        "a flow costs at most 128 bytes"
    );
    #[cfg(debug_assertions)]
    cache.check_invariants();
}
