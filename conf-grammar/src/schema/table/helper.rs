//! Section `Helper`.

use super::row::{BOOL, block_of, range, value};
use crate::schema::{BlockKind, BlockSpec, Content, Kind};

const REFUSED: Option<&str> = Some("section `Helper` is refused at start");
const OWN: &str = "the value of the helper, as listed below";

pub(super) static HELPER: BlockSpec = BlockSpec {
    title: "`Helper`",
    intro: "Helpers find in the traffic of a protocol which further connections belong to it. Those of this \
            section run in the daemon, which gets the packets over a queue; rules of the packet filter say \
            which packets.",
    refused: REFUSED,
    content: Content::Clauses(&[
        value("Setup", BOOL)
            .off()
            .since("1.4.7")
            .doc("Makes the kernel's side of each helper. `off` expects that `nfct` has made it before."),
        block_of(
            "Type",
            &[
                Kind::Name("a helper"),
                Kind::Name("a layer 3 protocol"),
                Kind::Name("a layer 4 protocol"),
            ],
            BlockKind::HelperType,
        )
        .since("1.4.0")
        .doc(
            "One helper: its name, `inet` or `inet6`, `tcp` or `udp`. Two of them may differ in the \
             protocols alone.",
        ),
    ]),
};

pub(super) static HELPER_TYPE: BlockSpec = BlockSpec {
    title: "`Type`",
    intro: "One helper. Each needs a queue of its own.",
    refused: REFUSED,
    content: Content::Clauses(&[
        value("QueueNum", &[Kind::Uint(range(0, 65_535, ""))])
            .number(0)
            .since("1.4.0")
            .doc("Number of the queue that brings the packets."),
        value("QueueLen", &[Kind::Uint(range(0, u32::MAX, "packets"))])
            .number(0)
            .since("1.4.0")
            .doc("Packets that the queue holds; 0 leaves it to the kernel, which takes 1024."),
        block_of("Policy", &[Kind::Name("a policy")], BlockKind::HelperPolicy)
            .since("1.4.0")
            .doc("How many expectations the helper makes. The name is that of the helper."),
    ]),
};

pub(super) static HELPER_POLICY: BlockSpec = BlockSpec {
    title: "`Policy`",
    intro: "At least one of its clauses must be given.",
    refused: REFUSED,
    content: Content::Clauses(&[
        value("ExpectMax", &[Kind::Uint(range(0, 255, "expectations"))])
            .unset(OWN)
            .since("1.4.0")
            .doc("Most expectations of one flow at the same time."),
        value("ExpectTimeout", &[Kind::Uint(range(0, u32::MAX, "seconds"))])
            .unset(OWN)
            .since("1.4.0")
            .doc("How long an expectation waits for its connection."),
    ]),
};
