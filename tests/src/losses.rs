//! What the stock daemon is known not to replicate, with the reason; everything else must be equal.

use std::collections::BTreeSet;

use crate::programs::Daemon;
use crate::table::{Flow, Key, Table};

/// What becomes of a protocol's flows on their way from a stock daemon.
#[derive(Clone, Copy)]
enum Loss {
    /// Ports or keys arrive as 0.
    Ports,
    /// The flow arrives as several flows, of which the receiver never forgets some.
    Identity,
}

/// Layer-4 protocol, what is lost, why.
const OF_STOCK_SENDER: [(u8, Loss, &str); 3] = [
    (
        33,
        Loss::Identity,
        "DCCP: without a kernel tracker the ports sent are remains of the message sent before",
    ),
    (47, Loss::Ports, "GRE: the keys are not sent"),
    (136, Loss::Ports, "UDP-Lite: the ports are not sent"),
];

impl Table {
    /// Drops what `sender` is known not to send; for a comparison both sides are reduced.
    #[must_use]
    pub fn as_told_by(self, sender: Daemon) -> Self {
        let loss = |key: &Key| match sender {
            Daemon::Ours => None,
            Daemon::Stock => OF_STOCK_SENDER
                .iter()
                .find(|(l4proto, ..)| *l4proto == key.l4proto)
                .map(|(_, loss, _)| *loss),
        };
        let known = self.filter(|key, _| !matches!(loss(key), Some(Loss::Identity)));
        known.map(|key, flow| match loss(&key) {
            Some(Loss::Ports) => without_ports(key, flow),
            Some(Loss::Identity) | None => (key, flow),
        })
    }
}

/// What `conntrack -L -o save` prints, as far as a flow told by `sender` and committed by `committer` keeps it.
///
/// Lifetimes are left out, and the protocols of which `sender` loses something.
pub(crate) fn kept_of_saved(saved: &str, sender: Daemon, committer: Daemon) -> BTreeSet<String> {
    let is_lossy = |line: &str| {
        sender == Daemon::Stock
            && [" -p dccp", " -p gre", " -p udplite"]
                .iter()
                .any(|name| line.contains(name))
    };
    // The stock daemon switches TCP's window checks off on every flow it commits; on an SCTP flow this overwrites a
    // byte of the original direction's verification tag.
    let hidden: &[&str] = match committer {
        Daemon::Ours => &["-t"],
        Daemon::Stock => &["-t", "--orig-vtag"],
    };
    let kept = |line: &str| {
        let mut words = line.split_whitespace();
        let mut kept = Vec::new();
        while let Some(word) = words.next() {
            if hidden.contains(&word) {
                words.next();
            } else {
                kept.push(word);
            }
        }
        kept.join(" ")
    };
    saved.lines().filter(|line| !is_lossy(line)).map(kept).collect()
}

fn without_ports(key: Key, flow: Flow) -> (Key, Flow) {
    let addresses = |tuple: String| tuple.split(' ').take(2).collect::<Vec<_>>().join(" ");
    (
        Key {
            orig: addresses(key.orig),
            ..key
        },
        Flow {
            reply: flow.reply.map(addresses),
            ..flow
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_listed_protocols_of_a_stock_sender_are_reduced() {
        let text = "gre      47 src=10.0.0.1 dst=10.0.0.2 srckey=0x1 dstkey=0x2\n\
                    dccp     33 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2\n\
                    udp      17 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2\n";
        let table = Table::parse(text).unwrap();
        assert_eq!(table.clone().as_told_by(Daemon::Ours), table);
        let origs: Vec<_> = table
            .as_told_by(Daemon::Stock)
            .iter()
            .map(|(key, _)| key.orig.clone())
            .collect();
        assert_eq!(
            origs,
            [
                "src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2",
                "src=10.0.0.1 dst=10.0.0.2"
            ]
        );
    }
}
