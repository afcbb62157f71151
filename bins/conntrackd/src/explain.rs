//! Whether a flow is replicated, and which clause decides it.
//!
//! Nothing is decided here: the filter is asked, and what it says is told in the words and with the
//! places of the file.

use conf_grammar::{Config, FilterPlace, FilterSet, Network, Running, Span, Spanned, SyncConfig};
use engine::filter::{Filter, Finding, Policy, SetName, Step, Verdict};
use engine::flow::parse::FlowText;
use engine::flow::{Event, Flow, ProtoState, Protocol, TcpState};

use crate::translate::filter::filter;

/// What a configuration says of flows.
pub(crate) struct Explainer<'a> {
    config: &'a Config,
    file_name: &'a str,
    source: &'a [u8],
    filter: Filter,
}

impl<'a> Explainer<'a> {
    /// Returns that of the configuration in a file of this name and these bytes.
    pub(crate) fn new(config: &'a Config, file_name: &'a str, source: &'a [u8]) -> Self {
        Self {
            config,
            file_name,
            source,
            filter: filter(&config.general.filter),
        }
    }

    /// Returns the answer about a flow: lines, of which the first is `replicated: yes` or
    /// `replicated: no`, the second what decides, and the others what each set of the filter says.
    ///
    /// Of a flow that ended (`[DESTROY]`) the question is whether its end is told.
    pub(crate) fn explain(&self, line: &FlowText<'_>) -> String {
        let flow = &line.flow;
        let verdict = match line.event {
            Some(Event::Destroy) => self.filter.judge_end(flow),
            Some(Event::New | Event::Update) | None => self.filter.judge(flow),
        };
        let (answer, reason) = match (&self.config.running, verdict) {
            (Running::Sync(_), Verdict::Excluded(step)) => ("no", self.excluded(&step, line)),
            (Running::Sync(sync), Verdict::Kept) => ("yes", self.sent(sync, line)),
            (Running::Stats(_), _) => ("no", self.unsent("keeps statistics and replicates nothing")),
            (Running::HelpersOnly, _) => ("no", self.unsent("serves helpers and replicates nothing")),
        };
        let sets = [SetName::Protocol, SetName::Address, SetName::State].map(|set| {
            match self.filter.walk(flow).find(|step| step.set == set) {
                Some(step) => format!("  {}", self.walked(&step, line)),
                None => format!("  {set}: no such set, every flow passes"),
            }
        });
        format!("replicated: {answer}\n{reason}\n{}\n", sets.join("\n"))
    }

    fn unsent(&self, does: &str) -> String {
        format!("{}: without section `Sync` the daemon {does}", self.file_name)
    }

    /// Says which entry, or the lack of one, excludes a flow.
    fn excluded(&self, step: &Step, line: &FlowText<'_>) -> String {
        let (set, place) = (named(step), self.place(step));
        let why = self.reason(step, &line.flow);
        let excluded = match self.entry(step) {
            Some(entry) => format!("{place}: {set} {entry} excludes it: {why}"),
            None => format!("{place}: {set} excludes it, no entry matches: {why}"),
        };
        match (step.set, line.event) {
            // A flow that begins had no other state before.
            (SetName::State, None | Some(Event::Update)) => {
                format!("{excluded}; if it was sent in an earlier state, the peer keeps it so")
            }
            _ => excluded,
        }
    }

    /// Says how a flow that passes the filter is sent.
    fn sent(&self, sync: &SyncConfig, line: &FlowText<'_>) -> String {
        let place = self.at(sync.mode.span);
        let mode = sync.mode.value.name();
        if line.event == Some(Event::Destroy) {
            let filter = if self.filter.is_empty() {
                "there is no filter"
            } else {
                "no set of the filter excludes its end"
            };
            return format!(
                "{place}: Mode {mode} tells its end to the other node if the flow was sent: {filter}"
            );
        }
        let filter = match self.config.general.filter.place.value {
            _ if self.filter.is_empty() => "there is no filter",
            FilterPlace::Userspace => "every set of the filter lets it pass",
            FilterPlace::Kernelspace => "every set of the filter lets it pass, in the kernel too",
        };
        format!("{place}: Mode {mode} sends it to the other node: {filter}")
    }

    /// Says what one set makes of a flow.
    fn walked(&self, step: &Step, line: &FlowText<'_>) -> String {
        let (set, place) = (named(step), self.place(step));
        let so = match line.event {
            _ if !step.excludes() => "passes",
            Some(Event::Destroy) if !step.excludes_end() => "passes all the same, for it ended",
            Some(Event::New | Event::Update | Event::Destroy) | None => "is excluded",
        };
        let why = self.reason(step, &line.flow);
        match (step.finding, self.entry(step)) {
            (Finding::Matched(_), Some(entry)) => {
                format!("{place}: {set} {entry} matches, the flow {so}: {why}")
            }
            (Finding::NotConcerned, _) => format!("{place}: {set} is about TCP states, the flow {so}: {why}"),
            (Finding::Matched(_) | Finding::Unmatched, _) => {
                format!("{place}: {set} has no entry that matches, the flow {so}: {why}")
            }
        }
    }

    /// Says what of the flow the set looked at.
    fn reason(&self, step: &Step, flow: &Flow) -> String {
        let source = flow.orig.addrs.src();
        let reply_source = flow.reply_or_derived().addrs.src();
        match (step.set, self.network(step)) {
            (SetName::Protocol, _) => format!("the protocol is {}", protocol(flow.orig.proto)),
            (SetName::Address, Some(network))
                if Network::new(source, network.prefix_len()) == Some(network) =>
            {
                format!("the source of the original direction is {source}")
            }
            (SetName::Address, Some(_)) => format!("the source of the reply direction is {reply_source}"),
            (SetName::Address, None) => {
                format!("the sources of its two directions are {source} and {reply_source}")
            }
            (SetName::State, _) => match flow.proto {
                ProtoState::Tcp(tcp) => format!("the state is {}", tcp.state.name()),
                _ if flow.orig.proto == Protocol::TCP => "its state is unknown".to_owned(),
                ProtoState::None | ProtoState::Sctp { .. } | ProtoState::Dccp { .. } => {
                    format!("the protocol is {}", protocol(flow.orig.proto))
                }
            },
        }
    }

    /// Returns the entry that matched.
    fn entry(&self, step: &Step) -> Option<String> {
        let Finding::Matched(index) = step.finding else {
            return None;
        };
        let filter = &self.config.general.filter;
        match step.set {
            SetName::Protocol => {
                let entry = filter.protocols.as_ref()?.entries.get(index)?;
                Some(protocol(Protocol(entry.value)))
            }
            SetName::Address => self.network(step).map(|network| network.to_string()),
            SetName::State => {
                let entry = filter.tcp_states.as_ref()?.entries.get(index)?;
                Some(self.state(entry))
            }
        }
    }

    /// Returns a state as the file calls it, with the name that flows are printed with if it differs.
    fn state(&self, entry: &Spanned<conf_grammar::TcpState>) -> String {
        let printed = TcpState(entry.value as u8).name();
        let written = entry.span.and_then(|span| self.source.get(span.start..span.end));
        match written.and_then(|written| str::from_utf8(written).ok()) {
            Some(written) if written != printed => format!("{written} (printed as {printed})"),
            Some(_) | None => printed.to_owned(),
        }
    }

    /// Returns the network that matched.
    fn network(&self, step: &Step) -> Option<Network> {
        let (SetName::Address, Finding::Matched(index)) = (step.set, step.finding) else {
            return None;
        };
        let addresses = self.config.general.filter.addresses.as_ref()?;
        Some(addresses.entries.get(index)?.value)
    }

    /// Returns the place of the entry that matched, or of the set if none did.
    fn place(&self, step: &Step) -> String {
        let filter = &self.config.general.filter;
        self.at(match step.set {
            SetName::Protocol => span(filter.protocols.as_ref(), step.finding),
            SetName::Address => span(filter.addresses.as_ref(), step.finding),
            SetName::State => span(filter.tcp_states.as_ref(), step.finding),
        })
    }

    fn at(&self, span: Option<Span>) -> String {
        match span {
            Some(span) => format!("{}:{}", self.file_name, span.location),
            None => self.file_name.to_owned(),
        }
    }
}

fn span<T>(set: Option<&FilterSet<T>>, finding: Finding) -> Option<Span> {
    let set = set?;
    let entry = match finding {
        Finding::Matched(index) => set.entries.get(index).and_then(|entry| entry.span),
        Finding::Unmatched | Finding::NotConcerned => None,
    };
    entry.or(set.policy.span)
}

/// Returns a set as it begins in the file.
fn named(step: &Step) -> String {
    let policy = match step.policy {
        Policy::Accept => "Accept",
        Policy::Ignore => "Ignore",
    };
    format!("{} {policy}", step.set)
}

fn protocol(protocol: Protocol) -> String {
    match protocol.name() {
        "unknown" => format!("number {}", protocol.0),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
