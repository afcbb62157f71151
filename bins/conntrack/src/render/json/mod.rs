//! One object a line (JSON Lines), described in docs/conntrack-json.md.

mod expectation;
mod flow;
mod parts;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

pub(super) use expectation::expectation;
pub(super) use flow::flow;

/// Appends the counters of one CPU.
pub(super) fn counters(out: &mut Vec<u8>, cpu: u16, counters: &[(&str, u64)]) {
    append(out, &CpuCounters { cpu, counters });
}

struct CpuCounters<'a> {
    cpu: u16,
    counters: &'a [(&'a str, u64)],
}

impl Serialize for CpuCounters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.counters.len() + 1))?;
        map.serialize_entry("cpu", &self.cpu)?;
        for (name, count) in self.counters {
            map.serialize_entry(name, count)?;
        }
        map.end()
    }
}

fn append(out: &mut Vec<u8>, object: &impl Serialize) {
    serde_json::to_writer(out, object).expect("a vector takes all bytes, and every key is a string");
}
