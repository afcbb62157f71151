//! Captured output of the stock program, and what must hold of any.

mod captured;
mod properties;
mod saved;
mod xml_reader;

use engine::flow::parse::FlowText;
use engine::flow::{Flow, HelperName, Labels, Timestamps};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::*;
use crate::labels::LabelMap;

fn label_map() -> LabelMap {
    LabelMap::parse(b"1 web\n2 db\n7 spaced name\n")
}

/// Returns a printer in the time zone of the captures.
fn printer<'a>(output: &Output, table: Table, labels: &'a LabelMap) -> Printer<'a> {
    Printer {
        zone: Zone::fixed(TimeZone::UTC),
        ..Printer::new(output, table, Some(labels))
    }
}

fn listed() -> Circumstances<'static> {
    Circumstances {
        occasion: Occasion::Listed,
        at: UnixTime::from_secs(0),
        requester: None,
    }
}

fn text(print: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    print(&mut out);
    String::from_utf8(out).unwrap()
}

/// Returns the flow of a line with what stands beside it, and what it says of the circumstances.
fn told<'a>(text: FlowText<'a>, labels: &LabelMap) -> (Flow, Circumstances<'a>) {
    let nanos = |time: Option<&str>| time.map(|time| secs_of(time) * 1_000_000_000);
    let age_secs = text.notes.age_secs;
    let start_nanos = nanos(text.notes.start).unwrap_or_default();
    let stop_nanos = nanos(text.notes.stop);
    let born = start_nanos / 1_000_000_000;
    let flow = Flow {
        timestamps: age_secs.map(|_| Timestamps {
            start_nanos,
            stop_nanos,
        }),
        labels: text.notes.labels.map(|names| {
            let bits = names.split(',').map(|name| 1 << labels.bit(name).unwrap());
            Labels(bits.sum())
        }),
        ..text.flow
    };
    let at = match text.stamp {
        Some(stamp) => UnixTime::from_micros(stamp.replace('.', "").parse().unwrap()),
        None => UnixTime::from_secs(born + age_secs.unwrap_or_default()),
    };
    let circumstances = Circumstances {
        occasion: text.event.map_or(Occasion::Listed, Occasion::Event),
        at,
        requester: text.notes.port_id.map(|port_id| Requester {
            port_id,
            program: text.notes.program,
        }),
    };
    (flow, circumstances)
}

fn secs_of(time: &str) -> u64 {
    let civil = DateTime::strptime("%a %b %e %H:%M:%S %Y", time).unwrap();
    let moment = TimeZone::UTC.to_timestamp(civil).unwrap();
    moment.as_second().unsigned_abs()
}

fn helper(name: &str) -> Option<HelperName> {
    HelperName::from_bytes(name.as_bytes()).ok()
}
