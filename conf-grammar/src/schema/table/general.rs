//! Section `General`, without its filter.

use super::row::{
    ANY_NUMBER, BOOL, BUFFER, FILE_PATH, GROWTH, POLL_SECS, REMOVE, alias, block_of, log_path, or_zero,
    range, value,
};
use crate::model::SchedulerClass;
use crate::schema::{BlockKind, BlockSpec, Content, DefaultValue, Kind, Status};

/// Longest path of a socket: `sun_path` of `<linux/un.h>` less its NUL.
const SOCKET_PATH_MAX: usize = 107;

pub(super) static GENERAL: BlockSpec = BlockSpec {
    title: "`General`",
    intro: "Settings that hold in every running mode. All of them have a default, and so has the section.",
    refused: None,
    content: Content::Clauses(&[
        value("Systemd", BOOL).on().since("1.4.4").doc(
            "Tells the service manager when the daemon serves and when it ends, and feeds its watchdog. \
                 Where no manager asks for it, nothing happens.",
        ),
        value("Nice", &[Kind::Integer])
            .status(Status::Ignored(
                "remove it; the service manager can set the nice value",
            ))
            .since("0.9.11")
            .doc("The nice value of the daemon, until 1.4.4.")
            .differs("the stock daemon ignores it too, but refuses a value without a sign"),
        value("HashSize", &[Kind::Uint(or_zero(1, 67_108_864, "buckets"))])
            .number(65_536)
            .doc("Hash buckets of each cache: room for so many entries from the start.")
            .differs("the caches grow beyond it, and an entry costs the same time in any case"),
        value("HashLimit", &[Kind::Uint(or_zero(1, 2_147_483_647, "entries"))])
            .number(262_144)
            .doc(
                "Most entries of each cache, that of the node's own flows and that of the peer's. What is \
                 above the limit is not replicated, and counted. Without the clause it is twice the \
                 kernel's `nf_conntrack_max` at the start, which is always enough, or the default if that \
                 is more.",
            )
            .differs("twice `nf_conntrack_max` without the clause, if that is more than the default"),
        value("LogFile", &[log_path("/var/log/conntrackd.log")])
            .off()
            .doc(
                "A file for the messages of the daemon. It is appended to, made with mode 0600 if it is \
                 not there, and opened anew at a HUP; if that fails at the start, the daemon does not run.",
            )
            .differs("`off` cancels an earlier `on`; the stock daemon passes it over"),
        value("Syslog", &[Kind::BoolOrFacility])
            .off()
            .since("0.9.6")
            .doc("Sends the messages of the daemon to syslog, beside the log file.")
            .differs("an unknown facility is an error; the stock daemon warns and does not log"),
        value("LockFile", FILE_PATH)
            .path("/var/lock/conntrackd.lock")
            .doc("Keeps a second daemon from starting. It holds the process id of the one that runs.")
            .differs("locked with `flock`: the file of a daemon that crashed is taken over"),
        block_of("UNIX", &[], BlockKind::Unix)
            .doc("The control socket, over which `conntrackd -s`, `-c` and the other requests come."),
        value("NetlinkBufferSize", BUFFER)
            .unset("2 MiB")
            .since("0.9.11")
            .doc(
                "Receive buffer for the kernel's events; this is the size that takes effect. Events that do \
                 not fit are lost, so leave room for bursts.",
            )
            .differs(
                "applied in any case; the stock daemon takes the system's default of about 208 KiB if the \
                 clause is missing, or not below `NetlinkBufferSizeMaxGrowth`",
            ),
        alias("SocketBufferSize", BUFFER, "NetlinkBufferSize"),
        value("NetlinkBufferSizeMaxGrowth", GROWTH)
            .unset("8 MiB, or no growth if `NetlinkBufferSize` is given")
            .since("0.9.11")
            .doc(
                "Whenever the kernel reports lost events, the receive buffer is doubled, up to this size. 0 \
                 leaves it as it is.",
            )
            .differs("8 MiB if neither clause is given; the stock daemon does not grow the buffer then"),
        alias("SocketBufferSizeMaxGrowth", GROWTH, "NetlinkBufferSizeMaxGrowth"),
        alias("SocketBufferSizeMaxGrown", GROWTH, "NetlinkBufferSizeMaxGrowth"),
        value(
            "NetlinkOverrunResync",
            &[Kind::BoolOrUint(or_zero(1, 86_400, "seconds"))],
        )
        .number(30)
        .since("0.9.11")
        .doc(
            "How long after lost events the kernel's table is read again, to find what they told. `off` \
             never reads it: what was lost stays unknown.",
        )
        .differs("losses that follow do not put the re-read off, and it deletes no living flow"),
        value("NetlinkEventsReliable", BOOL).off().since("0.9.14").doc(
            "Has the kernel (since 2.6.31) keep an event that it could not deliver, and try again, in \
                 place of reporting the loss. `NetlinkOverrunResync` can be `off` then.",
        ),
        value("PollSecs", POLL_SECS)
            .unset("the kernel's events are listened to")
            .since("0.9.10")
            .doc(
                "Reads the kernel's table so often, in place of listening to its events. Flows that begin \
                 and end between two reads are never seen.",
            )
            .differs(
                "only what changed is sent, expectations are polled too, and flows in zones stay; the stock \
                 daemon sends every flow at every poll, polls no expectations, and tells of the end of flows \
                 in zones each time; with `DisableExternalCache` the peer is not told its own flows, which \
                 are remembered for that",
            ),
        value(
            "EventIterationLimit",
            &[Kind::Uint(or_zero(1, 1_000_000, "events"))],
        )
        .number(100)
        .since("0.9.10")
        .doc(
            "Events of the kernel that are handled in one turn before anything else gets its share; also \
             datagrams of each link.",
        ),
        block_of("Scheduler", &[], BlockKind::Scheduler)
            .unset("the normal scheduler, with nice value -10")
            .since("0.9.13")
            .doc("Real-time scheduling.")
            .differs(
                "the stock daemon runs at real-time priority 99 without the block, which lets a dump of a \
                 large table starve a small machine",
            ),
        block_of("Filter", &[Kind::OptionalFrom], BlockKind::Filter)
            .unset("every flow counts")
            .since("0.9.8")
            .doc("Which flows the daemon cares about; those that it excludes are as good as not there.")
            .differs(
                "`Kernelspace` means what `Userspace` means; at the stock daemon it compares other addresses, passes \
                 what an empty `Accept` should drop, and is unreliable beyond 127 IPv4 entries or one of IPv6",
            ),
        value("Family", &[Kind::Name("a family")])
            .status(Status::Ignored("remove it: both families are always handled"))
            .doc("The address family whose table was read.")
            .until("1.4.4"),
    ]),
};

pub(super) static UNIX: BlockSpec = BlockSpec {
    title: "`UNIX`",
    intro: "The control socket. Who may open it controls the daemon: keep it out of directories that any \
            user can write to.",
    refused: None,
    content: Content::Clauses(&[
        value("Path", &[Kind::Path(SOCKET_PATH_MAX)])
            .path("/var/run/conntrackd.ctl")
            .doc(
                "Where the socket is. One that nobody answers at is replaced; anything else in its place is \
                 an error.",
            )
            .differs(
                "the stock daemon deletes whatever is there, and without this clause no client can reach it",
            ),
        value("Backlog", ANY_NUMBER)
            .status(Status::Ignored(REMOVE))
            .doc("How many clients may wait, until 1.4.4."),
    ]),
};

pub(super) static SCHEDULER: BlockSpec = BlockSpec {
    title: "`Scheduler`",
    intro: "Real-time scheduling, as in sched(7). If the kernel refuses it, the daemon says so and runs as \
            any program does.",
    refused: None,
    content: Content::Clauses(&[
        value("Type", &[Kind::SchedulerClass])
            .default(DefaultValue::Class(SchedulerClass::RoundRobin))
            .since("0.9.13")
            .doc(
                "`RR` shares the processor with others of the same priority, `FIFO` keeps it until it waits.",
            )
            .differs("`Priority` is 99 if it is missing; the stock daemon takes 0, which the kernel refuses"),
        value("Priority", &[Kind::Uint(range(1, 99, ""))])
            .number(99)
            .since("0.9.13")
            .doc(
                "The highest number goes first. Leave some above it to what must not wait for the daemon, \
                 such as the VRRP daemon.",
            )
            .differs("used with `RR` if `Type` is missing; the stock daemon passes it over then"),
    ]),
};
