//! The section `Filter` in the engine's words.

use conf_grammar::{Policy, Spanned};
use engine::filter::{Filter, List, Network};
use engine::flow::{Protocol, TcpState};

/// Returns the filter; the entries keep their places, by which verdicts name them.
pub(crate) fn filter(filter: &conf_grammar::Filter) -> Filter {
    let conf_grammar::Filter {
        protocols,
        addresses,
        tcp_states,
        place: _,
    } = filter;
    Filter::new(
        list(protocols.as_ref(), |number| Protocol(*number)),
        list(addresses.as_ref(), network),
        list(tcp_states.as_ref(), |state| TcpState(*state as u8)),
    )
}

fn list<T, U>(set: Option<&conf_grammar::FilterSet<T>>, entry: impl Fn(&T) -> U) -> Option<List<U>> {
    let set = set?;
    Some(List {
        policy: match set.policy.value {
            Policy::Accept => engine::filter::Policy::Accept,
            Policy::Ignore => engine::filter::Policy::Ignore,
        },
        entries: set
            .entries
            .iter()
            .map(|Spanned { value, .. }| entry(value))
            .collect(),
    })
}

fn network(network: &conf_grammar::Network) -> Network {
    Network::new(network.address(), network.prefix_len())
        .expect("both rooms have the same limits of a prefix")
}

#[cfg(test)]
mod tests {
    use engine::filter::{Finding, SetName, Verdict};
    use engine::flow::{Addrs, Flow, L4Key, ProtoState, Tcp, Tuple};

    use super::*;

    const FILTER: &str = "General {
        Filter From Kernelspace {
            Protocol Accept {
                UDP
                TCP
            }
            Address Ignore {
                IPv4_address 127.0.0.1
                IPv6_address ::1
                IPv4_address 10.1.0.0/16
            }
            State Accept {
                SYN_RECV ESTABLISHED LISTEN for TCP
            }
        }
    }";

    fn tcp(src: [u8; 4], state: u8) -> Flow {
        let orig = Tuple {
            addrs: Addrs::V4 {
                src: src.into(),
                dst: [192, 0, 2, 9].into(),
            },
            proto: Protocol::TCP,
            key: L4Key::Ports { src: 1, dst: 80 },
        };
        Flow {
            reply: Some(orig.mirrored()),
            proto: ProtoState::Tcp(Tcp::in_state(TcpState(state))),
            ..Flow::new(orig)
        }
    }

    #[test]
    fn verdicts_name_the_entries_of_the_file() {
        let outcome = conf_grammar::parse("test.conf", FILTER.as_bytes());
        let general = outcome.config.unwrap().general;
        let filter = filter(&general.filter);
        let found = |flow: &Flow| -> Vec<_> { filter.walk(flow).map(|step| step.finding).collect() };
        let protocol = Finding::Matched(1);
        let table = [
            (
                tcp([10, 2, 0, 1], 3),
                [protocol, Finding::Unmatched, Finding::Matched(1)],
            ),
            (
                tcp([10, 1, 9, 9], 9),
                [protocol, Finding::Matched(2), Finding::Matched(2)],
            ),
            (
                tcp([127, 0, 0, 1], 8),
                [protocol, Finding::Matched(0), Finding::Unmatched],
            ),
        ];
        for (flow, want) in table {
            assert_eq!(found(&flow), want);
        }
        let Verdict::Excluded(step) = filter.judge(&tcp([10, 1, 9, 9], 9)) else {
            panic!("its network is ignored");
        };
        assert_eq!((step.set, step.finding), (SetName::Address, Finding::Matched(2)));
        let entries = general.filter.addresses.unwrap().entries;
        assert_eq!(
            entries[2].span.unwrap().location.line,
            10,
            "`--explain` can point at it"
        );
    }

    #[test]
    fn a_set_that_is_not_there_restricts_nothing() {
        let outcome = conf_grammar::parse("test.conf", b"General {\n}\n");
        assert!(filter(&outcome.config.unwrap().general.filter).is_empty());
    }
}
