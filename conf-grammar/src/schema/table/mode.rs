//! What stands inside `Mode`.

use super::row::{ANY_NUMBER, BOOL, REMOVE, SECS, or_zero, value};
use crate::schema::{BlockSpec, ClauseSpec, Content, Kind, Status};

pub(super) const REFRESH_TIME: ClauseSpec = value("RefreshTime", SECS).number(60).doc(
    "A flow that does not change is sent again after a random time, of at most so many seconds. Short times \
     heal losses soon and cost traffic.",
);

pub(super) const CACHE_TIMEOUT: ClauseSpec = value("CacheTimeout", SECS).number(180).doc(
    "A flow of the peer that is not heard of for so long is forgotten. Twice the peer's `RefreshTime` is the \
     least that makes sense.",
);

pub(super) const COMMIT_TIMEOUT: ClauseSpec = value("CommitTimeout", SECS)
    .unset("what is left of the flow's own timeout")
    .doc(
        "Timeout of the flows that a commit puts into the kernel. A node that has it does not send the \
         kernel's timeouts: give it to both nodes or to none. Below half a minute, idle connections do not \
         outlive a takeover.",
    );

pub(super) const PURGE_TIMEOUT: ClauseSpec = value("PurgeTimeout", SECS).number(60).since("0.9.8").doc(
    "Time from `conntrackd -t` to the flush of the kernel's table that it asks for: the other node takes \
     over meanwhile. A commit or a flush cancels it.",
);

const DISABLE_EXTERNAL_CACHE: ClauseSpec = value("DisableExternalCache", BOOL)
    .off()
    .since("0.9.14")
    .doc(
        "Puts the peer's flows and expectations into the kernel as they come, in place of keeping them for a \
         commit. There is nothing to commit then, and the table of the backup is as full as that of the \
         primary. At most `HashLimit` flows wait for the kernel, and as many expectations.",
    )
    .differs(
        "a flow that exists is changed in place, not deleted and created, unless it is translated otherwise; \
         expectations go in behind their masters, with class, translation and set-up function, which the \
         stock daemon drops; with `PollSecs` the peer's flows are told from the node's own",
    );

const STARTUP_RESYNC: ClauseSpec = value("StartupResync", BOOL)
    .off()
    .since("1.4.5")
    .doc("Asks the peer for all its flows, once, at the start.");

const RELAX_TRANSITIONS: ClauseSpec = value("RelaxTransitions", &[])
    .status(Status::Ignored(REMOVE))
    .doc("An option of the first releases.")
    .until("1.4.4");

const DELAY_DESTROY_MESSAGES: ClauseSpec = value("DelayDestroyMessages", &[])
    .status(Status::Ignored(REMOVE))
    .doc("An option of the first releases.")
    .until("1.4.4");

pub(super) static FTFW: BlockSpec = BlockSpec {
    title: "`Mode FTFW`",
    intro: "Reliable: messages are numbered, acknowledged, and sent again when they are lost. The mode for \
            `UDP` and `Multicast` links.",
    refused: None,
    content: Content::Clauses(&[
        value(
            "ResendQueueSize",
            &[Kind::Uint(or_zero(1, 16_777_216, "messages"))],
        )
        .number(131_072)
        .since("0.9.10")
        .doc(
            "Messages that are kept until the peer acknowledges them. When the queue is full the oldest goes; \
             a peer that still lacks it gets the whole cache.",
        )
        .differs("two windows of `ACKWindowSize` at least, as the peer acknowledges whole windows"),
        value("ACKWindowSize", &[Kind::Uint(or_zero(1, 65_535, "messages"))])
            .number(300)
            .doc(
                "Messages that are received before they are acknowledged. A large window spares \
                 acknowledgements; it must be well below the `ResendQueueSize` of the peer.",
            ),
        COMMIT_TIMEOUT,
        PURGE_TIMEOUT,
        DISABLE_EXTERNAL_CACHE,
        STARTUP_RESYNC,
        value("ResendBufferSize", ANY_NUMBER)
            .status(Status::Ignored(
                "use `ResendQueueSize`, which counts messages and not bytes",
            ))
            .doc("The resend queue, in bytes.")
            .until("1.4.4"),
    ]),
};

pub(super) static ALARM: BlockSpec = BlockSpec {
    title: "`Mode ALARM`",
    intro: "Every flow is sent again from time to time, and what is not heard of expires. Any loss heals by \
            itself, at the price of steady traffic.",
    refused: None,
    content: Content::Clauses(&[
        REFRESH_TIME,
        CACHE_TIMEOUT,
        COMMIT_TIMEOUT,
        PURGE_TIMEOUT,
        RELAX_TRANSITIONS,
        DELAY_DESTROY_MESSAGES,
    ]),
};

pub(super) static NOTRACK: BlockSpec = BlockSpec {
    title: "`Mode NOTRACK`",
    intro: "Every change is sent once. The mode for `TCP` links, which lose nothing by themselves; over the \
            others what is lost stays lost until the flow changes again or `conntrackd -n` asks for all \
            flows.",
    refused: None,
    content: Content::Clauses(&[
        COMMIT_TIMEOUT,
        PURGE_TIMEOUT,
        value("DisableInternalCache", BOOL)
            .off()
            .since("0.9.14")
            .doc(
                "Sends the kernel's events on without keeping the node's own flows. Lost events are not made \
                 up for then, and a peer that asks for all flows gets them from the kernel's table.",
            )
            .differs(
                "messages leave with the events, not a second later; `-f` leaves the kernel's table alone, \
                 which the stock daemon empties; expectations are replicated, of which the stock daemon \
                 sends none",
            ),
        DISABLE_EXTERNAL_CACHE,
        STARTUP_RESYNC,
    ]),
};
