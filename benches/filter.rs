//! What a filter costs a flow.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use benches::{ipv6, plain};
use criterion::{Criterion, Throughput};
use engine::filter::{Filter, List, Network, Policy};
use engine::flow::{Protocol, TcpState};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("filter/judge");
    group.throughput(Throughput::Elements(1));
    let filters = [
        ("none", Filter::default()),
        ("usual", with_networks(4)),
        ("100k-networks", with_networks(100_000)),
    ];
    let flows = [("tcp4", plain(77)), ("tcp6", ipv6(77))];
    for (name, filter) in &filters {
        for (kind, flow) in &flows {
            group.bench_function(format!("{name}/{kind}"), |bencher| {
                bencher.iter(|| filter.judge(black_box(flow)));
            });
        }
    }
    group.finish();
    criterion.final_summary();
}

/// Returns a filter of all three sets with `n` networks, none of which a flow of the bench is in.
fn with_networks(n: u32) -> Filter {
    let network = |i: u32| {
        let address = IpAddr::V4(Ipv4Addr::from_bits(0x0b00_0000 + i * 256));
        Network::new(address, 24)
    };
    let protocols = List {
        policy: Policy::Accept,
        entries: vec![Protocol::TCP, Protocol::SCTP, Protocol::DCCP],
    };
    let networks = List {
        policy: Policy::Ignore,
        entries: (0..n).filter_map(network).collect(),
    };
    let states = List {
        policy: Policy::Accept,
        entries: vec![TcpState::ESTABLISHED, TcpState::CLOSE_WAIT],
    };
    Filter::new(Some(protocols), Some(networks), Some(states))
}
