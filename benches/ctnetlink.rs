//! The kernel's messages.
//!
//! The files in `data` are datagrams as an event socket receives them from Linux 6.18.

use std::hint::black_box;

use benches::{laden, plain};
use criterion::{Criterion, Throughput};
use engine::flow::Flow;
use engine::output::FlowRequest;
use io::ctnetlink::encode::{AckMode, encode_flow_request};
use io::ctnetlink::{Message, decode::decode_flow, messages};

const EVENTS: [(&str, &[u8]); 3] = [
    ("new-tcp4", include_bytes!("data/event-new-tcp4.bin")),
    ("new-tcp6", include_bytes!("data/event-new-tcp6.bin")),
    ("destroy-tcp4", include_bytes!("data/event-destroy-tcp4.bin")),
];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("ctnetlink/decode");
    group.throughput(Throughput::Elements(1));
    for (name, datagram) in EVENTS {
        assert!(decode(datagram).is_some(), "{name} is an event about a flow");
        group.bench_function(name, |bencher| bencher.iter(|| decode(black_box(datagram))));
    }
    group.finish();
    let mut group = criterion.benchmark_group("ctnetlink/encode");
    group.throughput(Throughput::Elements(1));
    let requests = [
        ("create-plain", FlowRequest::Create(plain(1))),
        ("create-laden", FlowRequest::Create(laden())),
        ("update-plain", FlowRequest::Update(plain(1))),
    ];
    let mut buffer = Vec::new();
    for (name, request) in requests {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                buffer.clear();
                encode_flow_request(black_box(&request), 1, AckMode::OnError, &mut buffer);
            });
        });
    }
    group.finish();
    criterion.final_summary();
}

/// Returns the flow in the first message of `datagram`.
fn decode(datagram: &[u8]) -> Option<Flow> {
    match messages(datagram).next()?.ok()? {
        Message::Flow { body, .. } => decode_flow(&body).ok(),
        Message::Expect { .. }
        | Message::Done { .. }
        | Message::Ack { .. }
        | Message::Error { .. }
        | Message::Other { .. } => None,
    }
}
