//! Flows as lines of text, as XML and as saved lines: one budget a flow.

use std::hint::black_box;

use benches::{ipv6, plain, source_nat};
use criterion::Criterion;
use engine::flow::Flow;
use engine::flow::save::{SaveLine, Verb};
use engine::flow::text::{Details, FlowLine, Timeout};
use engine::flow::xml::FlowElement;
use engine::time::UnixTime;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    rendering(&mut criterion);
    criterion.final_summary();
}

/// Renders a flow into a buffer that is reused; at 200 ns a plain line, listing a table costs little more
/// than reading it from the kernel.
fn rendering(c: &mut Criterion) {
    for (name, flow) in [
        ("plain", plain(70_000)),
        ("nat", source_nat(70_000)),
        ("ipv6", ipv6(70_000)),
    ] {
        let flow = Flow {
            use_count: Some(1),
            ..flow
        };
        let line = FlowLine {
            flow: &flow,
            timeout: Timeout::Shown,
            now: UnixTime::from_secs(1),
        };
        let details = Details {
            family: true,
            id: true,
            ..Details::NONE
        };
        let element = FlowElement {
            flow: &flow,
            timeout: Timeout::Shown,
            now: UnixTime::from_secs(1),
        };
        let saved = SaveLine {
            flow: &flow,
            verb: Verb::Add,
            labels: None,
        };
        measure(c, &format!("line/{name}"), |out| black_box(&line).write_to(out));
        measure(c, &format!("line with family and id/{name}"), |out| {
            black_box(&line).with(&details).write_to(out);
        });
        measure(c, &format!("xml/{name}"), |out| black_box(&element).write_to(out));
        measure(c, &format!("save/{name}"), |out| black_box(&saved).write_to(out));
    }
}

fn measure(c: &mut Criterion, name: &str, write: impl Fn(&mut Vec<u8>)) {
    let mut out = Vec::with_capacity(4096);
    c.bench_function(name, |b| {
        b.iter(|| {
            out.clear();
            write(&mut out);
            black_box(out.len())
        });
    });
}
