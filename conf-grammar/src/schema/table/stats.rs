//! Section `Stats`.

use super::row::{ANY_NUMBER, BOOL, POLL_SECS, REMOVE, log_path, value};
use crate::schema::{BlockSpec, Content, Kind, Status};

const REFUSED_THERE: &str = "the stock daemon refuses it here, although its manual page has it here";

pub(super) static STATS: BlockSpec = BlockSpec {
    title: "`Stats`",
    intro: "Logs every flow that ends: a line with the date, a tabulator and the flow. It excludes `Sync`.",
    refused: Some("section `Stats` is refused at start"),
    content: Content::Clauses(&[
        value("LogFile", &[log_path("/var/log/conntrackd-stats.log")])
            .off()
            .since("0.9.6")
            .doc("A file for the flows that end.")
            .differs("`off` cancels an earlier `on`; the stock daemon passes it over"),
        value("Syslog", &[Kind::BoolOrFacility])
            .off()
            .since("0.9.6")
            .doc("Sends the flows that end to syslog. If `General` names another facility, that one is used.")
            .differs(
                "works whatever `General` says; the stock daemon needs its switch, log file or facility",
            ),
        value("NetlinkEventsReliable", BOOL)
            .status(Status::Elsewhere("General"))
            .since("0.9.14")
            .doc("The clause of `General`, which some manuals show here.")
            .differs(REFUSED_THERE),
        value("PollSecs", POLL_SECS)
            .status(Status::Elsewhere("General"))
            .since("0.9.10")
            .doc("The clause of `General`, which some sample files have here.")
            .differs(REFUSED_THERE),
        value("LogFileBufferSize", ANY_NUMBER)
            .status(Status::Ignored(REMOVE))
            .since("0.9.6")
            .doc("Without effect ever since it was released.")
            .until("1.4.4"),
    ]),
};
