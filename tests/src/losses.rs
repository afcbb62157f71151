//! What the stock daemon is known not to replicate, with the reason; everything else must be equal.

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
