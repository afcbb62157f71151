//! The sync protocol's bytes.

use std::hint::black_box;

use benches::{laden, plain};
use criterion::{Criterion, Throughput};
use engine::flow::Flow;
use engine::seq::Seq;
use engine::wire::{
    Change, Content, EncodeOptions, Flags, Packer, Timeouts, WindowScales, decode_flow, encode_flow, messages,
};

/// Payload of a datagram in an Ethernet frame, over IPv4 and UDP.
const PAYLOAD_LEN: u16 = 1472;
const OPTIONS: EncodeOptions = EncodeOptions {
    timeouts: Timeouts::Send,
    window_scales: WindowScales::Send,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, flow) in [("plain", plain(1)), ("laden", laden())] {
        let mut group = criterion.benchmark_group(format!("wire/{name}"));
        group.throughput(Throughput::Elements(1));
        let mut packer = Packer::new(PAYLOAD_LEN);
        group.bench_function("encode", |bencher| {
            bencher.iter(|| {
                let full = packer.append(|out| encode(out, black_box(&flow)));
                full.into_iter().for_each(|buffer| packer.give_back(buffer));
            });
        });
        let mut message = Vec::new();
        encode(&mut message, &flow);
        group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(&message))));
        group.finish();
    }
    criterion.final_summary();
}

fn encode(out: &mut Vec<u8>, flow: &Flow) {
    encode_flow(out, Change::Update, Flags::NONE, Seq(1), flow, OPTIONS);
}

/// Returns the flow in the one message of `datagram`.
fn decode(datagram: &[u8]) -> Option<Flow> {
    let message = messages(datagram).next()?.ok()?;
    let Ok(Content::Flow(_)) = message.content() else {
        return None;
    };
    let decoded = decode_flow(message.body, message.body_offset()).ok()?;
    Some(decoded.flow)
}
