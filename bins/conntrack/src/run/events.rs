//! `-E`: tells what happens to the table, while it happens.
//!
//! ```text
//! EventSocket ─ a read of up to 64 events ─► Report ─ lines ─► out       loss, oddities ─► notices
//! ```
//!
//! Each read is written at once, so that whoever reads a pipe has every event as soon as we have. What is
//! read more slowly than it happens is lost once the receive buffer is full: that is told, and counted.

mod error;
mod report;
mod requester;
mod signals;

use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};

use engine::flow::LabelNames;
use engine::flow::query::Query;
use engine::input::{EventKind, Table as Tables};
use io::clock;
use io::ctnetlink::{Delivery, EventFilter, EventRead, EventSocket, EventSocketOptions, NetlinkError};
use io::ctnetlink::{RequestSocket, messages};
use io::process::reason;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::command::{Groups, Output};
use crate::render::Table;
pub use error::EventsError;
use report::Report;
pub use signals::EndSignals;

/// Size of the receive buffer in bytes if none is asked for: 13,107 events.
const BUFFER_LEN: usize = 16 << 20;

/// Which events of flows are told.
#[derive(Clone, Copy, Debug)]
pub struct FlowEvents<'a> {
    /// Of which flows.
    pub query: &'a Query,
    /// What happens to them.
    pub groups: Groups,
    /// Size of the receive buffer in bytes as the user counts: the kernel doubles it, and takes 1,280 for
    /// an event. `None` is 16 MiB in all.
    pub buffer_len: Option<u32>,
    /// Names of labels.
    pub labels: Option<&'a dyn LabelNames>,
}

/// What we talk to.
#[derive(Debug)]
pub struct Console<'a, O, N> {
    /// Where events go.
    pub out: &'a mut O,
    /// Where the user is told of losses; that it cannot be written hinders nothing.
    pub notices: &'a mut N,
    /// Readable once the user has enough, such as [`EndSignals`].
    pub end: BorrowedFd<'a>,
}

/// Tells events of flows until the end, and returns how many it told.
///
/// # Errors
/// [`EventsError`].
pub fn flows<O: Write + AsFd, N: Write>(
    events: &FlowEvents<'_>,
    output: &Output,
    console: Console<'_, O, N>,
) -> Result<u64, EventsError> {
    let table = Table::Flows;
    let asked = events.buffer_len.map(|len| u64::from(len).saturating_mul(2));
    let buffer_len = asked.map_or(BUFFER_LEN, |len| usize::try_from(len).unwrap_or(usize::MAX));
    let socket = open(buffer_len, None)
        .and_then(|socket| join(socket, events.groups))
        .inspect_err(|error| {
            if error::is_forbidden(error) {
                say(console.notices, "mnl_socket_bind: Operation not permitted");
            }
        })
        .map_err(|error| EventsError::Subscribe { table, error })?;
    if asked.is_some() {
        let len = socket
            .buffer_len()
            .map_err(|error| EventsError::Subscribe { table, error })?;
        say(
            console.notices,
            &format!("NOTICE: Netlink socket buffer size has been set to {len} bytes."),
        );
    }
    watch(
        socket,
        Report::of_flows(output, events.query, events.labels),
        console,
    )
}

/// Tells events of expectations until the end, and returns how many it told.
///
/// # Errors
/// [`EventsError`].
pub fn expectations<O: Write + AsFd, N: Write>(
    output: &Output,
    console: Console<'_, O, N>,
) -> Result<u64, EventsError> {
    let table = Table::Expectations;
    let socket = open(BUFFER_LEN, Some(Tables::Expectations))
        .map_err(|error| EventsError::Subscribe { table, error })?;
    watch(socket, Report::of_expectations(output), console)
}

/// Opens the socket, with its buffer in place before the first event can come.
fn open(buffer_len: usize, tables: Option<Tables>) -> Result<EventSocket, NetlinkError> {
    EventSocket::open(&EventSocketOptions {
        buffer_len: Some(buffer_len),
        tables,
        delivery: Delivery::BestEffort,
        filter: &EventFilter::default(),
    })
}

fn join(socket: EventSocket, groups: Groups) -> Result<EventSocket, NetlinkError> {
    let kinds = [
        (groups.new, EventKind::New),
        (groups.update, EventKind::Update),
        (groups.destroy, EventKind::Destroy),
    ];
    for (is_wanted, kind) in kinds {
        if is_wanted {
            socket.join(kind)?;
        }
    }
    Ok(socket)
}

/// Tells what `socket` hears until the end, then what happened before the end.
fn watch<O: Write + AsFd, N: Write>(
    mut socket: EventSocket,
    mut report: Report<'_>,
    console: Console<'_, O, N>,
) -> Result<u64, EventsError> {
    // One can subscribe to what the kernel does not have, and would wait for ever.
    RequestSocket::open().map_err(EventsError::Kernel)?;
    let Console { out, notices, end } = console;
    report.begin();
    write(out, &mut report)?;
    while wait(&socket, out.as_fd(), end)? == Woken::ByEvents {
        pass_on(&mut socket, &mut report, out, notices)?;
    }
    socket.unsubscribe().map_err(EventsError::Kernel)?;
    while pass_on(&mut socket, &mut report, out, notices)? {}
    report.end();
    write(out, &mut report)?;
    tell_losses(&socket, &report, notices);
    Ok(report.n_shown())
}

/// Why a wait was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Woken {
    /// There is something to read.
    ByEvents,
    /// The user has enough.
    ByEnd,
}

/// Waits for events, for the end, or until nobody reads what we write.
fn wait(socket: &EventSocket, out: BorrowedFd<'_>, end: BorrowedFd<'_>) -> Result<Woken, EventsError> {
    let mut fds = [
        PollFd::new(socket.as_fd(), PollFlags::POLLIN),
        PollFd::new(end, PollFlags::POLLIN),
        // That a reader has gone is told without being asked for.
        PollFd::new(out, PollFlags::empty()),
    ];
    loop {
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(EventsError::Wait(errno.into())),
        }
        let [has_events, is_end, is_reader_gone] = fds.each_ref().map(|fd| fd.any().unwrap_or(true));
        if is_reader_gone {
            return Err(EventsError::Output(ErrorKind::BrokenPipe.into()));
        }
        if is_end {
            return Ok(Woken::ByEnd);
        }
        if has_events {
            return Ok(Woken::ByEvents);
        }
    }
}

/// Tells what one read brings; returns whether it brought anything.
fn pass_on(
    socket: &mut EventSocket,
    report: &mut Report<'_>,
    out: &mut impl Write,
    notices: &mut impl Write,
) -> Result<bool, EventsError> {
    match socket.read().map_err(EventsError::Receive)? {
        EventRead::Empty => return Ok(false),
        EventRead::Overrun => {
            say(notices, OVERRUN);
            if let Some(losses) = losses(socket) {
                say(notices, &format!("{losses} so far."));
            }
        }
        EventRead::Datagrams {
            datagrams,
            n_truncated,
        } => {
            let now = clock::wall();
            for message in datagrams.flat_map(messages) {
                if let Err(error) = message.and_then(|message| report.message(&message, now)) {
                    report.skip(1);
                    say(
                        notices,
                        &format!("WARNING: an event is malformed {error}, skipping."),
                    );
                }
            }
            if n_truncated > 0 {
                report.skip(n_truncated);
                say(
                    notices,
                    &format!("WARNING: {n_truncated} events are too long, skipping."),
                );
            }
            write(out, report)?;
        }
    }
    Ok(true)
}

/// What is said whenever the kernel had no room for an event; scripts know it.
const OVERRUN: &str = "WARNING: We have hit ENOBUFS! We are losing events.\n\
                       This message means that the current netlink socket buffer size is too small.\n\
                       Please, check --buffer-size in conntrack(8) manpage.";

/// Says at the end what is not in the output.
fn tell_losses(socket: &EventSocket, report: &Report<'_>, notices: &mut impl Write) {
    if let Some(losses) = losses(socket) {
        say(notices, &format!("{losses} in all."));
    }
    let n_skipped = report.n_skipped();
    if n_skipped > 0 {
        say(
            notices,
            &format!("WARNING: {n_skipped} events have been skipped."),
        );
    }
}

/// Says how many events were lost, if any.
fn losses(socket: &EventSocket) -> Option<String> {
    match socket.n_dropped() {
        Ok(Some(0)) => None,
        Ok(Some(n_dropped)) => Some(format!("WARNING: {n_dropped} events have been lost")),
        Ok(None) => Some("WARNING: the kernel does not list how many events have been lost".to_owned()),
        Err(error) => Some(format!(
            "WARNING: it is not known how many events have been lost ({})",
            reason(&error)
        )),
    }
}

fn write(out: &mut impl Write, report: &mut Report<'_>) -> Result<(), EventsError> {
    let lines = report.lines();
    if lines.is_empty() {
        return Ok(());
    }
    let written = out.write_all(lines).and_then(|()| out.flush());
    lines.clear();
    written.map_err(EventsError::Output)
}

/// Tells the user something; whether somebody listens makes no difference to the events.
fn say(notices: &mut impl Write, text: &str) {
    drop(notices.write_all(format!("{text}\n").as_bytes()));
}
