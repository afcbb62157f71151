//! Caches as text: how a node prints them, and how it should.

use std::collections::BTreeSet;

use engine::cache::FlowKey;
use engine::flow::text::{ExpectationLine, FlowLine, Timeout};
use engine::flow::{Expectation, Flow};
use engine::time::UnixTime;

/// Checks that the peer's kernel has had every flow of an external cache, printed line by line.
pub(crate) fn external_cache(text: &str, names_of_peer: &BTreeSet<String>) -> Result<(), String> {
    match text.lines().find(|line| !names_of_peer.contains(&name(line))) {
        None => Ok(()),
        Some(line) => Err(format!(
            "the external cache has a flow that the peer never had: {line}"
        )),
    }
}

/// Returns the names of the flows in these lines.
pub(crate) fn names(lines: &[String]) -> BTreeSet<String> {
    lines.iter().map(|line| name(line)).collect()
}

/// Returns the part of a line that names the flow: its tuples, as far as they are in it, and its zone.
pub(crate) fn name(line: &str) -> String {
    const PARTS: [&str; 10] = [
        "src=", "dst=", "sport=", "dport=", "srckey=", "dstkey=", "type=", "code=", "id=", "zone=",
    ];
    let is_part = |word: &&str| PARTS.iter().any(|part| word.starts_with(part));
    let protocol = line.split(' ').next().unwrap_or_default();
    line.split(' ')
        .filter(is_part)
        .fold(protocol.to_owned(), |name, part| name + " " + part)
}

/// Returns the name that a line about the flow with this key has.
pub(crate) fn name_of(key: &FlowKey) -> String {
    let zone = Some(key.zone).filter(|zone| *zone != 0);
    name(&line(&Flow {
        zone,
        ..Flow::new(key.orig())
    }))
}

/// Returns the lines in which a node should print its internal cache, in order.
pub(crate) fn internal_lines(kernel: &[Flow]) -> Vec<String> {
    let known = |flow: &Flow| Flow {
        use_count: None,
        ..flow.clone()
    };
    sorted(kernel.iter().map(|flow| line(&known(flow))))
}

/// Returns the lines in which the peer of a node should print its external cache, in order.
pub(crate) fn external_lines(kernel_of_peer: &[Flow]) -> Vec<String> {
    let received = |flow: &Flow| Flow {
        reply: None,
        id: None,
        use_count: None,
        ..flow.clone()
    };
    sorted(kernel_of_peer.iter().map(|flow| line(&received(flow))))
}

/// Returns the lines in which a node should print expectations in either cache, in order.
pub(crate) fn expectation_lines(expectations: &[Expectation]) -> Vec<String> {
    let timeout = Timeout::Hidden;
    sorted(
        expectations
            .iter()
            .map(|expectation| ExpectationLine { expectation, timeout }.to_string()),
    )
}

/// Returns the lines of a cache as a node printed it, in order and without their ages.
pub(crate) fn printed_lines(text: &str) -> Vec<String> {
    sorted(text.lines().map(|line| {
        let entry = [" [expires in", " [active since"]
            .iter()
            .fold(line, |line, tail| line.split(tail).next().unwrap_or_default());
        without_zero_mark(entry)
    }))
}

pub(super) fn line(flow: &Flow) -> String {
    let line = FlowLine {
        flow,
        timeout: Timeout::Hidden,
        now: UnixTime::default(),
    };
    without_zero_mark(&line.to_string())
}

/// Leaves out a mark of zero, which the kernel tells in dumps only.
fn without_zero_mark(line: &str) -> String {
    line.split(' ')
        .filter(|word| *word != "mark=0")
        .collect::<Vec<_>>()
        .join(" ")
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort_unstable();
    lines
}

/// Compares lines; what is printed beside the wanted ones must be excused.
pub(crate) fn compare(
    what: &str,
    wanted: &[String],
    printed: &[String],
    is_excused: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let (wanted, printed): (BTreeSet<_>, BTreeSet<_>) = (wanted.iter().collect(), printed.iter().collect());
    let missing: Vec<_> = wanted.difference(&printed).collect();
    let surplus = printed.difference(&wanted);
    let surplus: Vec<_> = surplus.filter(|line| !is_excused(line)).collect();
    if missing.is_empty() && surplus.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{what} differs: {} lines missing, {} too many\n  missing {missing:#?}\n  too many {surplus:#?}",
        missing.len(),
        surplus.len()
    ))
}
