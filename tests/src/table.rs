//! Flow tables as text, read into values that can be compared.
//!
//! One parser reads what `conntrack -L` and `conntrackd -i`/`-e` print: protocol, state, tuples, flags,
//! `name=value` pairs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail, ensure};

/// By how many seconds lifetimes may differ that are to be the same.
///
/// Events carry a lifetime once, at the change; what is committed is that, less the time since. A slow machine takes
/// a while to read an event, to commit, and to show one table after the other; still the lifetimes that the tests
/// give and those that a kernel gives by itself differ by more.
pub const TIMEOUT_SLACK_SECS: u32 = 20;
/// How many differing flows a message shows.
const SHOWN: usize = 12;

/// A flow table, sorted by protocol, original tuple and zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table(BTreeMap<Key, Flow>);

/// What tells flows apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Layer-4 protocol number.
    pub l4proto: u8,
    /// Original tuple, as printed.
    pub orig: String,
    /// Zone, 0 if none.
    pub zone: u16,
}

/// The attributes of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Reply tuple as printed; a cache of foreign flows has none.
    pub reply: Option<String>,
    /// State of the layer-4 protocol.
    pub state: Option<String>,
    /// Whether packets were seen in both directions.
    pub is_replied: bool,
    /// Whether the flow is assured.
    pub is_assured: bool,
    /// Mark, 0 if none.
    pub mark: u32,
    /// Helper.
    pub helper: Option<String>,
    /// Labels, as printed.
    pub labels: Option<String>,
    /// Seconds to live.
    pub timeout_secs: Option<u32>,
}

impl Table {
    /// Reads lines of `conntrack -L -o extended` or `conntrackd -i`; leaves out the network's own chatter.
    ///
    /// # Errors
    /// When a line is not of that form, or a flow is there twice.
    pub fn parse(text: &str) -> Result<Self> {
        let mut flows = BTreeMap::new();
        for line in text.lines() {
            let (key, flow) = parse_line(line).with_context(|| format!("in line {line:?}"))?;
            if !key.is_chatter() {
                ensure!(
                    flows.insert(key, flow).is_none(),
                    "a flow is there twice: {line:?}"
                );
            }
        }
        Ok(Self(flows))
    }

    /// How many flows there are.
    pub fn n_flows(&self) -> usize {
        self.0.len()
    }

    /// The flows of both; of one that is in both, what the other says.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Reduces the flows to what a dump of the external cache shows of them.
    #[must_use]
    pub fn as_cached(self) -> Self {
        self.map(|key, flow| {
            (
                key,
                Flow {
                    reply: None,
                    labels: None,
                    timeout_secs: None,
                    ..flow
                },
            )
        })
    }

    /// Reduces the flows to what a dump of the internal cache shows of them.
    #[must_use]
    pub fn as_internal(self) -> Self {
        self.map(|key, flow| {
            let shown = Flow {
                labels: None,
                timeout_secs: None,
                ..flow
            };
            (key, shown)
        })
    }

    /// Drops the lifetimes, which differ by the moment of looking.
    #[must_use]
    pub fn without_timeouts(self) -> Self {
        self.map(|key, flow| {
            (
                key,
                Flow {
                    timeout_secs: None,
                    ..flow
                },
            )
        })
    }

    /// Every flow changed by `change`.
    #[must_use]
    pub fn map(self, change: impl FnMut(Key, Flow) -> (Key, Flow)) -> Self {
        let mut change = change;
        Self(self.0.into_iter().map(|(key, flow)| change(key, flow)).collect())
    }

    /// The flows that `keep` holds for.
    #[must_use]
    pub fn filter(mut self, mut keep: impl FnMut(&Key, &Flow) -> bool) -> Self {
        self.0.retain(|key, flow| keep(key, flow));
        self
    }

    /// The flows, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Flow)> {
        self.0.iter()
    }

    /// Checks that `self` is what was `wanted`.
    ///
    /// # Errors
    /// When they differ: shows the first differing flows.
    pub fn ensure_equals(&self, wanted: &Self) -> Result<()> {
        let keys = self
            .0
            .keys()
            .chain(wanted.0.keys())
            .collect::<std::collections::BTreeSet<_>>();
        let differing: Vec<_> = keys
            .into_iter()
            .filter(|key| self.0.get(key) != wanted.0.get(key))
            .collect();
        if differing.is_empty() {
            return Ok(());
        }
        let mut text = format!("{} of {} flows differ", differing.len(), wanted.0.len());
        for key in differing.iter().take(SHOWN) {
            let shown = |table: &Self| {
                table
                    .0
                    .get(key)
                    .map_or("absent".into(), |flow| format!("{flow:?}"))
            };
            let _infallible = write!(
                text,
                "\n{key:?}\n    is     {}\n    wanted {}",
                shown(self),
                shown(wanted)
            );
        }
        bail!(text)
    }

    /// Checks that each flow lives as long as in `wanted`, give or take `slack_secs`.
    ///
    /// # Errors
    /// When one does not, or is not there.
    pub fn ensure_timeouts_near(&self, wanted: &Self, slack_secs: u32) -> Result<()> {
        for (key, flow) in &wanted.0 {
            let is = self.0.get(key).and_then(|flow| flow.timeout_secs);
            let is_near = is
                .zip(flow.timeout_secs)
                .is_some_and(|(is, wanted)| is.abs_diff(wanted) <= slack_secs);
            ensure!(
                is_near,
                "{key:?} lives {is:?} s, wanted {:?} s",
                flow.timeout_secs
            );
        }
        Ok(())
    }
}

impl Key {
    /// Flows nobody in a test made: group membership and neighbour discovery.
    fn is_chatter(&self) -> bool {
        const IGMP: u8 = 2;
        self.l4proto == IGMP || self.orig.starts_with("src=fe80:") || self.orig.starts_with("src=:: ")
    }
}

fn parse_line(line: &str) -> Result<(Key, Flow)> {
    // The tail of a cache's line: times, which are not the flow's.
    let line = line.split(" [active since").next().unwrap_or(line);
    let line = line.split(" [expires in").next().unwrap_or(line);
    let mut words = line.split_whitespace().peekable();
    if words.next_if(|word| ["ipv4", "ipv6"].contains(word)).is_some() {
        words.next();
    }
    words.next().context("no protocol name")?;
    let l4proto = words
        .next()
        .context("no protocol number")?
        .parse()
        .context("protocol number")?;
    let mut flow = Flow {
        is_replied: true,
        ..Flow::default()
    };
    if let Some(timeout) = words.next_if(|word| word.bytes().all(|b| b.is_ascii_digit())) {
        flow.timeout_secs = Some(timeout.parse().context("timeout")?);
    }
    flow.state = words
        .next_if(|word| !word.contains('=') && !word.starts_with('['))
        .map(str::to_owned);
    let (mut tuples, mut zone) = (Vec::<String>::new(), 0);
    for word in words {
        match word.split_once('=') {
            None => match word {
                "[UNREPLIED]" => flow.is_replied = false,
                "[ASSURED]" => flow.is_assured = true,
                other => bail!("unknown word {other:?}"),
            },
            Some(("src", _)) => tuples.push(word.to_owned()),
            Some(("dst" | "sport" | "dport" | "type" | "code" | "id" | "srckey" | "dstkey", _)) => {
                let tuple = tuples.last_mut().context("a tuple starts with src=")?;
                let _infallible = write!(tuple, " {word}");
            }
            Some(("mark", value)) => flow.mark = value.parse().context("mark")?,
            Some(("zone", value)) => zone = value.parse().context("zone")?,
            Some(("helper", value)) => flow.helper = Some(value.to_owned()),
            Some(("labels", value)) => flow.labels = Some(value.to_owned()),
            Some(("packets" | "bytes" | "use", _)) => {}
            Some((name, _)) => bail!("unknown field {name:?}"),
        }
    }
    let mut tuples = tuples.into_iter();
    let orig = tuples.next().context("no original tuple")?;
    flow.reply = tuples.next();
    Ok((Key { l4proto, orig, zone }, flow))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_line_and_a_cache_line_of_one_flow_are_equal_as_cached() {
        let kernel = "ipv4     2 tcp      6 431998 ESTABLISHED src=10.3.1.10 dst=10.3.2.10 sport=43122 dport=21 packets=6 bytes=334 src=10.3.2.10 dst=10.3.1.10 sport=21 dport=43122 packets=5 bytes=345 [ASSURED] mark=0 helper=ftp use=2\n";
        let cache = "tcp      6 ESTABLISHED src=10.3.1.10 dst=10.3.2.10 sport=43122 dport=21 [ASSURED] helper=ftp [active since 2s]\n";
        let (kernel, cache) = (
            Table::parse(kernel).unwrap().as_cached(),
            Table::parse(cache).unwrap(),
        );
        cache.ensure_equals(&kernel).unwrap();
    }

    #[test]
    fn a_difference_is_shown_with_both_sides() {
        let line = "udp      17 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 [UNREPLIED] mark=5 zone=9 [active since 2s]\n";
        let flows = Table::parse(line).unwrap();
        let other = Table::parse(&line.replace("mark=5", "mark=6")).unwrap();
        let error = flows.ensure_equals(&other).unwrap_err().to_string();
        assert!(error.contains("mark: 5") && error.contains("mark: 6"), "{error}");
    }

    #[test]
    fn an_unknown_field_is_an_error() {
        let line = "udp      17 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 colour=red\n";
        assert!(Table::parse(line).is_err());
    }
}
