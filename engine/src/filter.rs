//! Which flows of our kernel the operator cares about (`Filter`).
//!
//! A flow must pass every set that is given: protocols, then addresses, then states; the first that
//! excludes it decides. This is the one place that knows the rule: what else speaks of it (a socket
//! filter, an explanation for the operator) is made from what is here.

mod networks;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::ops::RangeInclusive;

use crate::flow::{Flow, ProtoState, Protocol, TcpState};

pub use networks::Network;
use networks::Networks;

/// What happens to a flow that an entry of a set matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// It passes, and no other does.
    Accept,
    /// It is excluded, and no other is.
    Ignore,
}

/// A set as the operator wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    /// What happens to what an entry matches.
    pub policy: Policy,
    /// The entries, in the order of the configuration; verdicts name them by their place in it.
    pub entries: Vec<T>,
}

/// The sets of a filter, in the order in which they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SetName {
    /// Layer-4 protocols.
    Protocol,
    /// Networks: the source of the original or of the reply direction lies in one.
    Address,
    /// States of TCP flows.
    State,
}

impl SetName {
    const ALL: [Self; 3] = [Self::Protocol, Self::Address, Self::State];
}

impl fmt::Display for SetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Protocol => "Protocol",
            Self::Address => "Address",
            Self::State => "State",
        })
    }
}

/// What one set says of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The set.
    pub set: SetName,
    /// Its policy.
    pub policy: Policy,
    /// What it found.
    pub finding: Finding,
}

/// What a set finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The entry at this place of its list matches; of nested networks it is the widest.
    Matched(usize),
    /// No entry matches.
    Unmatched,
    /// The set is not about such flows, which pass it.
    NotConcerned,
}

impl Step {
    /// Returns whether the set excludes the flow.
    #[must_use]
    pub const fn excludes(&self) -> bool {
        matches!(
            (self.policy, self.finding),
            (Policy::Accept, Finding::Unmatched) | (Policy::Ignore, Finding::Matched(_))
        )
    }

    /// Returns whether the set excludes the end of the flow, too: its last state does not.
    ///
    /// A flow that was kept in an earlier state would else never leave the cache.
    #[must_use]
    pub fn excludes_end(&self) -> bool {
        self.set != SetName::State && self.excludes()
    }
}

/// What a filter says of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// All sets let it pass.
    Kept,
    /// This set excludes it.
    Excluded(Step),
}

/// Which flows are cached, sent and flushed; the default is all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `None` lets everything pass, at the price of one branch.
    sets: Option<Box<Sets>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sets {
    protocols: Option<List<Protocol>>,
    addresses: Option<Addresses>,
    tcp_states: Option<List<TcpState>>,
}

/// The address set, made for looking up: many networks cost little more than one.
///
/// With [`Policy::Accept`] and networks of one family alone, all flows of the other are excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    policy: Policy,
    networks: Networks,
}

impl Filter {
    /// Returns the filter with these sets; one that is absent restricts nothing, an empty one with
    /// [`Policy::Accept`] excludes everything that it is about.
    #[must_use]
    pub fn new(
        protocols: Option<List<Protocol>>,
        addresses: Option<List<Network>>,
        tcp_states: Option<List<TcpState>>,
    ) -> Self {
        let addresses = addresses.map(|list| Addresses {
            policy: list.policy,
            networks: Networks::new(&list.entries),
        });
        let has_sets = protocols.is_some() || addresses.is_some() || tcp_states.is_some();
        Self {
            sets: has_sets.then(|| {
                Box::new(Sets {
                    protocols,
                    addresses,
                    tcp_states,
                })
            }),
        }
    }

    /// Returns whether all flows pass because no set is given.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.sets.is_none()
    }

    /// Returns whether a flow is kept, and if not, what excludes it.
    #[inline]
    #[must_use]
    pub fn judge(&self, flow: &Flow) -> Verdict {
        if self.is_empty() {
            return Verdict::Kept;
        }
        let excluding = self.walk(flow).find(Step::excludes);
        excluding.map_or(Verdict::Kept, Verdict::Excluded)
    }

    /// Returns the same for a flow that ends, by [`Step::excludes_end`].
    #[must_use]
    pub fn judge_end(&self, flow: &Flow) -> Verdict {
        if self.is_empty() {
            return Verdict::Kept;
        }
        let excluding = self.walk(flow).find(Step::excludes_end);
        excluding.map_or(Verdict::Kept, Verdict::Excluded)
    }

    /// Returns what each set says of a flow, in their order and beyond the one that excludes it.
    pub fn walk(&self, flow: &Flow) -> impl Iterator<Item = Step> {
        let sets = self.sets.as_deref();
        let steps = move |set| sets.and_then(|sets| sets.ask(set, flow));
        SetName::ALL.into_iter().filter_map(steps)
    }

    /// Returns the set of protocols.
    #[must_use]
    pub fn protocols(&self) -> Option<&List<Protocol>> {
        self.sets.as_deref()?.protocols.as_ref()
    }

    /// Returns the set of addresses.
    #[must_use]
    pub fn addresses(&self) -> Option<&Addresses> {
        self.sets.as_deref()?.addresses.as_ref()
    }

    /// Returns the set of TCP states.
    #[must_use]
    pub fn tcp_states(&self) -> Option<&List<TcpState>> {
        self.sets.as_deref()?.tcp_states.as_ref()
    }
}

impl Addresses {
    /// Returns what happens to flows with a source in one of the networks.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// Returns the IPv4 networks from first to last address: disjoint, in their order, without
    /// those inside another.
    pub fn ipv4(&self) -> impl Iterator<Item = RangeInclusive<Ipv4Addr>> {
        let ranges = self.networks.ipv4();
        ranges.map(|(first, last)| Ipv4Addr::from_bits(first)..=Ipv4Addr::from_bits(last))
    }

    /// Returns the IPv6 networks in the same way.
    pub fn ipv6(&self) -> impl Iterator<Item = RangeInclusive<Ipv6Addr>> {
        let ranges = self.networks.ipv6();
        ranges.map(|(first, last)| Ipv6Addr::from_bits(first)..=Ipv6Addr::from_bits(last))
    }

    fn find(&self, flow: &Flow) -> Option<usize> {
        let place = |tuple: crate::flow::Tuple| self.networks.find(tuple.addrs.src());
        place(flow.orig).or_else(|| place(flow.reply_or_derived()))
    }
}

impl Sets {
    /// Returns what a set says of a flow, `None` if it is not given.
    fn ask(&self, set: SetName, flow: &Flow) -> Option<Step> {
        fn place<T: PartialEq>(list: &List<T>, sought: T) -> Option<usize> {
            list.entries.iter().position(|entry| *entry == sought)
        }
        let finding = |place: Option<usize>| place.map_or(Finding::Unmatched, Finding::Matched);
        let (policy, finding) = match set {
            SetName::Protocol => {
                let list = self.protocols.as_ref()?;
                (list.policy, finding(place(list, flow.orig.proto)))
            }
            SetName::Address => {
                let list = self.addresses.as_ref()?;
                (list.policy, finding(list.find(flow)))
            }
            SetName::State => {
                let list = self.tcp_states.as_ref()?;
                let finding = match flow.proto {
                    ProtoState::Tcp(tcp) => finding(place(list, tcp.state)),
                    ProtoState::None | ProtoState::Sctp { .. } | ProtoState::Dccp { .. } => {
                        Finding::NotConcerned
                    }
                };
                (list.policy, finding)
            }
        };
        Some(Step { set, policy, finding })
    }
}

#[cfg(test)]
mod tests;
