//! Operands of the client options: words that may be cut short.

use engine::input::{CacheName, StatsTopic, Table};

/// An operand of `-s`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Topic {
    pub(super) topic: StatsTopic,
    pub(super) advice: Option<&'static str>,
}

/// In the order that decides between words with the same beginning.
const TOPICS: [(&str, StatsTopic); 11] = [
    ("network", StatsTopic::Network),
    ("cache", StatsTopic::Cache),
    ("runtime", StatsTopic::Runtime),
    (MULTICAST, StatsTopic::Link),
    ("link", StatsTopic::Link),
    ("rsqueue", StatsTopic::ResendQueue),
    ("process", StatsTopic::Process),
    ("queue", StatsTopic::Queue),
    ("ct", StatsTopic::Flows),
    ("expect", StatsTopic::Expectations),
    ("counters", StatsTopic::Counters),
];

pub(super) const TOPIC_HELP: &str =
    "dump statistics: ct, expect, network, cache, runtime, link, rsqueue, process, queue or counters";

/// What `link` was called when there was no other transport.
const MULTICAST: &str = "multicast";

pub(super) fn parse_topic(operand: &str) -> Result<Topic, String> {
    let (word, topic) = completed(operand, TOPICS)?;
    let advice = (word == MULTICAST).then_some("use `link' instead of `multicast' as parameter.");
    Ok(Topic { topic, advice })
}

pub(super) fn parse_table(operand: &str) -> Result<Table, String> {
    let (_, table) = completed(operand, [("ct", Table::Flows), ("expect", Table::Expectations)])?;
    Ok(table)
}

pub(super) fn parse_cache(operand: &str) -> Result<CacheName, String> {
    let caches = [
        ("internal", CacheName::Internal),
        ("external", CacheName::External),
    ];
    let (_, cache) = completed(operand, caches)?;
    Ok(cache)
}

/// Returns the first word that begins with `operand`, and its meaning.
fn completed<T>(
    operand: &str,
    words: impl IntoIterator<Item = (&'static str, T)>,
) -> Result<(&'static str, T), String> {
    words
        .into_iter()
        .find(|(word, _)| !operand.is_empty() && word.starts_with(operand))
        .ok_or_else(|| "no such word".to_owned())
}
