//! What `conntrackd -s` prints.
//!
//! Monitoring parses these columns, so layout and wording are those of the stock daemon to the byte;
//! what it counts and we cannot have (child processes) stays at 0.

mod store;

use std::io::{self, Write};
use std::time::Duration;

use engine::input::{Channel, StatsTopic};
use engine::stats::{QueueStats, ReceiveStats, ResendElement, Statistics, TrafficStats};

use crate::link::{DirectionCounters, ErrorQueue};
use store::Store;

/// What the shell counts; the engine counts the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShellStats {
    /// How long the daemon has run.
    pub uptime: Duration,
    /// Every link, in the order of the configuration.
    pub links: Vec<LinkStats>,
    /// What could not be sent, of TCP links.
    pub error_queue: Option<ErrorQueue>,
    /// The netlink sockets.
    pub netlink: NetlinkStats,
    /// The control socket.
    pub control: ControlStats,
}

/// Counters of one link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStats {
    /// Name of the interface.
    pub interface: String,
    /// What carries it.
    pub transport: Transport,
    /// State of the interface.
    pub status: LinkStatus,
    /// What was sent.
    pub sent: DirectionCounters,
    /// What was received.
    pub received: DirectionCounters,
}

/// What carries a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// UDP to one peer.
    Udp,
    /// UDP to a multicast group.
    Multicast,
    /// A pair of TCP connections.
    Tcp {
        /// The accepted connection from the peer.
        server: TcpConnection,
        /// Our connection to the peer.
        client: TcpConnection,
    },
}

/// Whether a TCP connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpConnection {
    /// It does.
    Connected,
    /// It does not.
    Disconnected,
}

/// State of the interface of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStatus {
    /// Up, with a carrier.
    Running,
    /// Up, without a carrier.
    NoCarrier,
    /// Down, or gone.
    Down,
}

/// Counters of the netlink sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetlinkStats {
    /// Events received, before the daemon's filter.
    pub events: u64,
    /// Events of a type that should not occur.
    pub events_unknown: u64,
    /// Reads of the event socket that failed, overruns included.
    pub events_failed: u64,
    /// Entries of a dump of a type that should not occur.
    pub dump_unknown: u64,
    /// Size of the event socket's buffer in bytes, as the kernel reports it.
    pub buffer_len: u64,
}

/// Counters of the control socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlStats {
    /// Clients that were not served to the end: turned away, silent, gone too early or cut off.
    pub read_failed: u64,
    /// Requests with an unknown code.
    pub unknown_requests: u64,
}

/// Appends the answer to `-s` about `topic` to `out`.
pub fn render(topic: StatsTopic, engine: &Statistics, shell: &ShellStats, out: &mut Vec<u8>) {
    let active = active_link(engine.active_channel, &shell.links);
    let written = match topic {
        StatsTopic::Flows => summary(out, Store::of_flows(engine), engine, active),
        StatsTopic::Expectations => summary(out, Store::of_expectations(engine), engine, active),
        StatsTopic::Network => network(out, &engine.receive, active),
        StatsTopic::Cache => Store::of_flows(engine)
            .iter()
            .try_for_each(|store| store.details(out)),
        StatsTopic::Runtime => runtime(out, engine, shell),
        StatsTopic::Link => links(out, engine.active_channel, &shell.links),
        StatsTopic::ResendQueue => resend_queue(out, engine.resend_queue.as_deref()),
        // Dumps and flushes are no processes of their own here, so there is never one to list.
        StatsTopic::Process => Ok(()),
        StatsTopic::Queue => queues(out, &engine.queues, shell.error_queue),
        StatsTopic::Counters => counters(out, engine),
    };
    written.expect("a vector takes all bytes");
}

/// `-s counters`: a name and a number a line, in an order that does not change.
fn counters(out: &mut Vec<u8>, engine: &Statistics) -> io::Result<()> {
    let (receive, kernel, commit) = (&engine.receive, &engine.kernel, &engine.commit);
    let inject = engine.inject.unwrap_or_default();
    let inject_expect = engine.inject_expect.unwrap_or_default();
    let overflowed = engine.queues.resend.map_or(0, |resend| resend.overflowed);
    for (name, number) in [
        ("internal_live", engine.internal.live),
        ("internal_refused", engine.internal.create_failed_full),
        ("external_live", engine.external.live),
        ("external_refused", engine.external.create_failed_full),
        ("external_expired", engine.external.expired),
        ("internal_expectations_live", engine.internal_expect.live),
        (
            "internal_expectations_refused",
            engine.internal_expect.create_failed_full,
        ),
        ("external_expectations_live", engine.external_expect.live),
        (
            "external_expectations_refused",
            engine.external_expect.create_failed_full,
        ),
        ("external_expectations_expired", engine.external_expect.expired),
        ("messages_received", receive.messages),
        ("messages_malformed", receive.malformed()),
        ("messages_lost", receive.lost),
        ("messages_late", receive.before),
        ("attributes_unknown", receive.unknown_attributes),
        ("senders_known", engine.senders.known),
        ("senders_forgotten", engine.senders.evicted),
        ("resend_queue_overflowed", overflowed),
        ("datagrams_unsent", engine.send.failed),
        ("link_changes", engine.send.link_changes),
        ("bulks_put_off", engine.send.bulks_put_off),
        ("kernel_events", kernel.events),
        ("kernel_events_filtered", kernel.events_filtered),
        ("kernel_overruns", kernel.overruns),
        ("kernel_resyncs", kernel.resyncs),
        ("kernel_dumps_failed", kernel.dumps_failed),
        ("kernel_ghosts", kernel.ghosts),
        ("inject_pending", inject.pending),
        ("inject_dropped", inject.dropped),
        ("inject_lessened", inject.lessened),
        ("inject_expectations_pending", inject_expect.pending),
        ("inject_expectations_dropped", inject_expect.dropped),
        ("commit_created", commit.created),
        ("commit_updated", commit.updated),
        ("commit_failed", commit.failed),
        ("commit_expectations_created", commit.expectations_created),
        ("commit_expectations_failed", commit.expectations_failed),
    ] {
        writeln!(out, "{name} {number}")?;
    }
    for (errno, number) in &commit.failed_by_errno {
        writeln!(out, "commit_errno_{errno} {number}")?;
    }
    Ok(())
}

/// `-s`, `-s ct`, `-s exp`.
fn summary(
    out: &mut Vec<u8>,
    stores: [Store<'_>; 2],
    engine: &Statistics,
    active: Option<&LinkStats>,
) -> io::Result<()> {
    stores.iter().try_for_each(|store| store.summary(out))?;
    let TrafficStats { bytes, packets } = engine.traffic;
    write!(
        out,
        "traffic processed:\n{bytes:>20} Bytes      {packets:>20} Pckts\n\n"
    )?;
    active_link_traffic(out, active)?;
    writeln!(out, "message tracking:")?;
    let (malformed, lost) = (engine.receive.malformed(), engine.receive.lost_as_stock);
    write!(out, "{malformed:>20} Malformed msgs {lost:>20} Lost msgs\n\n")
}

/// `-s network`.
fn network(out: &mut Vec<u8>, receive: &ReceiveStats, active: Option<&LinkStats>) -> io::Result<()> {
    writeln!(out, "network statistics:\n\trecv:")?;
    for (name, count) in [
        ("Malformed messages", receive.malformed()),
        ("Wrong protocol version", receive.bad_version),
        ("Malformed header", receive.bad_header),
        ("Malformed payload", receive.bad_payload),
        ("Bad message type", receive.bad_type),
        ("Truncated message", receive.truncated),
        ("Bad message size", receive.bad_size),
    ] {
        writeln!(out, "\t\t{name}:\t{count:>20}")?;
    }
    // What we encode is well-formed by construction: there is no way to count here.
    write!(out, "\tsend:\n\t\tMalformed messages:\t{:>20}\n\n", 0)?;
    writeln!(out, "sequence tracking statistics:\n\trecv:")?;
    writeln!(out, "\t\tPackets lost:\t\t{:>20}", receive.lost_as_stock)?;
    write!(out, "\t\tPackets before:\t\t{:>20}\n\n", receive.before)?;
    active_link_traffic(out, active)
}

/// `-s runtime`.
fn runtime(out: &mut Vec<u8>, engine: &Statistics, shell: &ShellStats) -> io::Result<()> {
    write!(out, "daemon uptime: ")?;
    uptime(out, shell.uptime)?;
    let netlink = &shell.netlink;
    write!(out, "\n\nnetlink stats:\n")?;
    writeln!(out, "\tevents received:\t{:>20}", netlink.events)?;
    writeln!(out, "\tevents filtered:\t{:>20}", engine.kernel.events_filtered)?;
    writeln!(out, "\tevents unknown type:\t\t{:>12}", netlink.events_unknown)?;
    writeln!(out, "\tcatch event failed:\t\t{:>12}", netlink.events_failed)?;
    writeln!(out, "\tdump unknown type:\t\t{:>12}", netlink.dump_unknown)?;
    writeln!(out, "\tnetlink overrun:\t\t{:>12}", engine.kernel.overruns)?;
    writeln!(out, "\tflush kernel table:\t\t{:>12}", engine.kernel.flushes)?;
    writeln!(out, "\tresync with kernel table:\t{:>12}", engine.kernel.resyncs)?;
    writeln!(
        out,
        "\tcurrent buffer size (in bytes):\t{:>12}",
        netlink.buffer_len
    )?;
    // There are no child processes, and a failing poll or wait ends the daemon instead of counting.
    write!(out, "\nruntime stats:\n")?;
    writeln!(out, "\tchild process failed:\t\t{:>12}", 0)?;
    writeln!(out, "\t\tchild process segfault:\t{:>12}", 0)?;
    writeln!(out, "\t\tchild process termsig:\t{:>12}", 0)?;
    writeln!(out, "\tselect failed:\t\t\t{:>12}", 0)?;
    writeln!(out, "\twait failed:\t\t\t{:>12}", 0)?;
    writeln!(out, "\tlocal read failed:\t\t{:>12}", shell.control.read_failed)?;
    write!(
        out,
        "\tlocal unknown request:\t\t{:>12}\n\n",
        shell.control.unknown_requests
    )
}

/// Writes days, hours and minutes; seconds are dropped.
fn uptime(out: &mut Vec<u8>, uptime: Duration) -> io::Result<()> {
    let minutes = uptime.as_secs() / 60;
    let (days, hours, minutes) = (minutes / (24 * 60), minutes / 60 % 24, minutes % 60);
    match days {
        0 => {}
        1 => write!(out, "1 day ")?,
        _ => write!(out, "{days} days ")?,
    }
    if hours > 0 {
        write!(out, "{hours} h ")?;
    }
    write!(out, "{minutes} min")
}

/// `-s link`.
fn links(out: &mut Vec<u8>, active: Channel, links: &[LinkStats]) -> io::Result<()> {
    for (place, link) in links.iter().enumerate() {
        let status = match link.status {
            LinkStatus::Running => "RUNNING",
            LinkStatus::NoCarrier => "NO-CARRIER",
            LinkStatus::Down => "DOWN",
        };
        let role = if place == usize::from(active.0) {
            "ACTIVE"
        } else {
            "BACKUP"
        };
        let (word, interface) = (word(link.transport), &link.interface);
        writeln!(
            out,
            "{word} traffic device={interface} status={status} role={role}:"
        )?;
        traffic(out, link)?;
    }
    Ok(())
}

fn active_link(active: Channel, links: &[LinkStats]) -> Option<&LinkStats> {
    links.get(usize::from(active.0))
}

/// The block about the link in use that ends several answers.
fn active_link_traffic(out: &mut Vec<u8>, active: Option<&LinkStats>) -> io::Result<()> {
    let Some(link) = active else {
        return Ok(());
    };
    write!(
        out,
        "{} traffic (active device={})",
        word(link.transport),
        link.interface
    )?;
    if let Transport::Tcp { server, client } = link.transport {
        let [server, client] = [server, client].map(|connection| match connection {
            TcpConnection::Connected => "connected",
            TcpConnection::Disconnected => "disconnected",
        });
        write!(out, " server={server} client={client}")?;
    }
    writeln!(out, ":")?;
    traffic(out, link)
}

const fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Multicast => "multicast",
        Transport::Tcp { .. } => "TCP",
    }
}

fn traffic(out: &mut Vec<u8>, link: &LinkStats) -> io::Result<()> {
    let (sent, received) = (&link.sent, &link.received);
    writeln!(
        out,
        "{:>20} Bytes sent {:>20} Bytes recv",
        sent.bytes, received.bytes
    )?;
    writeln!(
        out,
        "{:>20} Pckts sent {:>20} Pckts recv",
        sent.packets, received.packets
    )?;
    write!(
        out,
        "{:>20} Error send {:>20} Error recv\n\n",
        sent.errors, received.errors
    )
}

/// `-s queue`.
fn queues(out: &mut Vec<u8>, queues: &QueueStats, errors: Option<ErrorQueue>) -> io::Result<()> {
    // The stock daemon's tx queue has no limit but that of the number, and ours is emptied in every
    // turn. The error queue is that of TCP links, shown empty at its usual size for others; a datagram
    // for which a UDP socket has no room waits in its link.
    const TX_LEN_MAX: u64 = 2_147_483_647;
    const NO_ERRORS: ErrorQueue = ErrorQueue {
        len: 0,
        len_max: 128,
        overflowed: 0,
    };
    let errors = errors.unwrap_or(NO_ERRORS);
    write!(
        out,
        "allocated queue nodes:\t\t{:>12}\n\n",
        queues.control_messages.saturating_add(errors.len)
    )?;
    queue(out, "txqueue", queues.tx, TX_LEN_MAX, 0)?;
    queue(out, "errorq", errors.len, errors.len_max, errors.overflowed)?;
    match queues.resend {
        Some(resend) => queue(out, "rsqueue", resend.len, resend.len_max, resend.overflowed),
        None => Ok(()),
    }
}

fn queue(out: &mut Vec<u8>, name: &str, len: u64, len_max: u64, overflowed: u64) -> io::Result<()> {
    writeln!(out, "queue {name}:")?;
    writeln!(out, "current elements:\t\t{len:>12}")?;
    writeln!(out, "maximum elements:\t\t{len_max:>12}")?;
    write!(out, "not enough space errors:\t{overflowed:>12}\n\n")
}

/// `-s rsqueue`; nothing in modes without a resend queue.
fn resend_queue(out: &mut Vec<u8>, elements: Option<&Vec<ResendElement>>) -> io::Result<()> {
    let Some(elements) = elements else {
        return Ok(());
    };
    writeln!(out, "resent queue (len={})", elements.len())?;
    for element in elements {
        match element {
            ResendElement::Object { seq } => writeln!(out, "object -> seq:{}", seq.0)?,
            ResendElement::Control { seq, flags } => {
                writeln!(out, "control -> seq:{} flags:{flags}", seq.0)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
