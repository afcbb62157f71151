//! `conntrack -E` tells each event while it happens, who caused it and when, and counts what it missed.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, PipeReader, PipeWriter, pipe};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel, sync_channel};
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use conntrack::command::{Format, Groups, Output};
use conntrack::run::events::{self, Console, EndSignals, EventsError, FlowEvents};
use engine::flow::query::Query;
use engine::flow::{Addrs, Flow, L4Key, Protocol, Status, Tuple};
use engine::output::{Batch, FlowName, FlowRequest};
use io::clock;
use io::ctnetlink::RequestSocket;
use netns_tests::kernel::request;
use netns_tests::{LIMIT, Namespace, expectations, on_real_kernels};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const ALL: Groups = Groups {
    new: true,
    update: true,
    destroy: true,
};

/// As long as a page: 25 lines.
const SHORT_PIPE_LEN: i32 = 4096;
const N_FLOWS: u16 = 400;

#[test]
fn each_event_is_told_while_it_happens() -> Result<()> {
    on_real_kernels(|| {
        let ns = namespace()?;
        let listener = Listener::start(
            &ns,
            What::Flows(Query::default(), Some(100_000)),
            Output::default(),
        )?;
        let (out, notices) = (Lines::of(listener.out), Lines::of(listener.notices));
        ensure!(notices.next()? == "NOTICE: Netlink socket buffer size has been set to 200000 bytes.");
        request(&ns, vec![FlowRequest::Create(udp(1))])?;
        ensure!(is_event(
            &out.next()?,
            "    [NEW] udp      17 600 src=10.0.0.1 dst=10.0.1.1 sport=1 dport=53 [UNR"
        ));
        let change = Flow {
            status: Some(Status::CONFIRMED | Status::SEEN_REPLY),
            mark: Some(7),
            ..udp(1)
        };
        request(&ns, vec![FlowRequest::Update(change)])?;
        let updated = out.next()?;
        ensure!(
            is_event(&updated, " [UPDATE] udp ") && updated.contains(" mark=7 "),
            "{updated}"
        );
        request(&ns, vec![deletion(1)])?;
        ensure!(is_event(&out.next()?, "[DESTROY] udp "));
        drop(listener.end);
        ensure!(listener.done.recv_timeout(LIMIT)?? == 3);
        out.ensure_ended()?;
        notices.ensure_ended()
    })
}

#[test]
fn events_of_other_flows_and_kinds_are_not_told() -> Result<()> {
    on_real_kernels(|| {
        let ns = namespace()?;
        let query = Query {
            proto: Some(Protocol::UDP),
            mark: Some(engine::flow::query::Masked {
                value: 3,
                mask: u32::MAX,
            }),
            ..Query::default()
        };
        let what = What::Some(query, Groups { new: false, ..ALL });
        let listener = Listener::start(&ns, what, XML)?;
        let out = Lines::of(listener.out);
        out.expect_header("conntrack")?;
        for port in 1..=4 {
            let flow = Flow {
                mark: Some(port.into()),
                ..udp(port)
            };
            request(&ns, vec![FlowRequest::Create(flow)])?;
        }
        request(&ns, (1..=4).map(deletion).collect())?;
        drop(listener.end);
        ensure!(listener.done.recv_timeout(LIMIT)?? == 1);
        let told = out.next()?;
        ensure!(
            told.starts_with("<flow type=\"destroy\">") && told.contains("<mark>3</mark>"),
            "{told}"
        );
        ensure!(out.next()? == "</conntrack>");
        out.ensure_ended()
    })
}

#[test]
fn what_a_stopped_reader_missed_is_counted() -> Result<()> {
    on_real_kernels(|| {
        let ns = namespace()?;
        let listener = Listener::start(
            &ns,
            What::Flows(Query::default(), Some(10_000)),
            Output::default(),
        )?;
        let notices = Lines::of(listener.notices);
        ensure!(notices.next()? == "NOTICE: Netlink socket buffer size has been set to 20000 bytes.");
        request(
            &ns,
            (1..=N_FLOWS).map(|port| FlowRequest::Create(udp(port))).collect(),
        )?;
        let out = Lines::of(listener.out);
        for line in [
            "WARNING: We have hit ENOBUFS! We are losing events.",
            "This message means that the current netlink socket buffer size is too small.",
            "Please, check --buffer-size in conntrack(8) manpage.",
        ] {
            ensure!(notices.next()? == line);
        }
        drop(listener.end);
        let told = out.rest()?;
        let n_told = listener.done.recv_timeout(LIMIT)??;
        ensure!(u64::try_from(told.len())? == n_told);
        let notices = notices.rest()?;
        let last = notices.last().context("a line at the end")?;
        let n_lost = last
            .strip_prefix("WARNING: ")
            .and_then(|rest| rest.strip_suffix(" events have been lost in all."))
            .with_context(|| format!("{notices:?}"))?;
        let n_lost: u64 = n_lost.parse()?;
        ensure!(n_told > 0 && n_lost > 0, "{n_told} events told, {n_lost} lost");
        ensure!(
            n_told + n_lost == u64::from(N_FLOWS),
            "{n_told} told, {n_lost} lost"
        );
        Ok(())
    })
}

#[test]
fn an_event_has_the_time_of_the_kernel_not_of_a_late_reader() -> Result<()> {
    on_real_kernels(|| {
        // Kernels before 6.14 do not tell it.
        if kernel_version()? < (6, 14) {
            return Ok(());
        }
        let ns = namespace()?;
        ns.sysctl("netfilter/nf_conntrack_timestamp", "1")?;
        let output = Output {
            timestamp: true,
            ..Output::default()
        };
        let before = clock::wall().as_micros();
        let listener = Listener::start(&ns, What::Flows(Query::default(), Some(8 << 20)), output)?;
        let notices = Lines::of(listener.notices);
        notices.next()?;
        request(
            &ns,
            (1..=N_FLOWS).map(|port| FlowRequest::Create(udp(port))).collect(),
        )?;
        let after = clock::wall().as_micros();
        let out = Lines::of(listener.out);
        drop(listener.end);
        let told = out.rest()?;
        ensure!(listener.done.recv_timeout(LIMIT)?? == u64::from(N_FLOWS));
        for line in told {
            let stamp = line.strip_prefix('[').and_then(|rest| rest.split_once("]\t"));
            let (stamp, event) = stamp.with_context(|| line.clone())?;
            ensure!(is_event(event, "    [NEW] "), "{line}");
            let micros: u64 = stamp.replace('.', "").parse()?;
            ensure!(
                (before..=after).contains(&micros),
                "{before} {micros} {after}: {line}"
            );
        }
        notices.ensure_ended()
    })
}

#[test]
fn the_program_behind_a_change_is_named_and_remembered() -> Result<()> {
    on_real_kernels(|| {
        let ns = namespace()?;
        let listener = Listener::start(&ns, What::Flows(Query::default(), None), XML)?;
        let out = Lines::of(listener.out);
        out.expect_header("conntrack")?;
        let (mut socket, port_id) = ns.enter(|| -> Result<_> {
            let mut socket = RequestSocket::open()?;
            execute(&mut socket, vec![FlowRequest::Create(udp(1))])?;
            let port_id = socket.port_id();
            Ok((socket, port_id))
        })?;
        let program = std::fs::read_to_string("/proc/self/comm")?;
        let want = format!(
            "<userspace><portid>{port_id}</portid><progname>{}</progname></userspace>",
            program.trim_end()
        );
        let told = out.next()?;
        ensure!(told.contains(&want), "{told} lacks {want}");
        // More than the pipe takes: most of them are read when there is no such socket any more.
        let requests = (2..=N_FLOWS).map(|port| FlowRequest::Create(udp(port)));
        execute(&mut socket, requests.collect())?;
        drop(socket);
        for _ in 2..=N_FLOWS {
            let told = out.next()?;
            ensure!(told.contains(&want), "{told} lacks {want}");
        }
        drop(listener.end);
        ensure!(out.next()? == "</conntrack>");
        ensure!(listener.done.recv_timeout(LIMIT)?? == u64::from(N_FLOWS));
        Ok(())
    })
}

#[test]
fn a_signal_ends_it_with_a_whole_document() -> Result<()> {
    on_real_kernels(|| {
        let ns = namespace()?;
        for signal in [Signal::SIGINT, Signal::SIGTERM] {
            let signals = EndSignals::register()?.as_fd().try_clone_to_owned()?;
            let listener = Listener::until(signals, &ns, What::Expectations, XML)?;
            let out = Lines::of(listener.out);
            out.expect_header("expect")?;
            kill(Pid::this(), signal)?;
            ensure!(listener.done.recv_timeout(LIMIT)?? == 0);
            ensure!(out.next()? == "</expect>");
            out.ensure_ended()?;
        }
        Ok(())
    })
}

#[test]
fn expectations_are_told_too() -> Result<()> {
    on_real_kernels(|| {
        let ns = namespace()?;
        let listener = Listener::start(&ns, What::Expectations, XML)?;
        let out = Lines::of(listener.out);
        out.expect_header("expect")?;
        expectations::create(&ns, 1)?;
        let told = out.next()?;
        ensure!(told.starts_with("<flow type=\"new\">"), "{told}");
        expectations::delete_all(&ns)?;
        let told = out.next()?;
        ensure!(told.starts_with("<flow type=\"destroy\">"), "{told}");
        ensure!(
            !told.contains("<userspace>"),
            "the stock tool does not tell it: {told}"
        );
        drop(listener.end);
        ensure!(listener.done.recv_timeout(LIMIT)?? == 2);
        ensure!(out.next()? == "</expect>");
        out.ensure_ended()
    })
}

#[test]
fn a_reader_that_leaves_ends_it_without_another_event() -> Result<()> {
    on_real_kernels(|| {
        let ns = namespace()?;
        let what = What::Flows(Query::default(), Some(100_000));
        let listener = Listener::start(&ns, what, Output::default())?;
        Lines::of(listener.notices).next()?;
        drop(listener.out);
        match listener.done.recv_timeout(LIMIT)? {
            Err(EventsError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            other => bail!("{other:?}"),
        }
    })
}

#[test]
fn a_full_disk_is_an_error() -> Result<()> {
    on_real_kernels(|| {
        let ns = namespace()?;
        let (end, _end) = pipe()?;
        let done = ns.enter(move || -> Result<_> {
            let mut full = File::options().write(true).open("/dev/full")?;
            let console = Console {
                out: &mut full,
                notices: &mut std::io::sink(),
                end: end.as_fd(),
            };
            Ok(events::expectations(&XML, console))
        })?;
        let error = done.err().context("it cannot write")?;
        ensure!(error.to_string() == "cannot write the output: No space left on device");
        Ok(())
    })
}

const XML: Output = Output {
    format: Format::Xml,
    extended: false,
    id: false,
    timestamp: false,
    ktimestamp: false,
    labels: false,
};

/// What is listened to.
enum What {
    /// Every event of these flows, with a receive buffer of that size.
    Flows(Query, Option<u32>),
    /// These events of these flows.
    Some(Query, Groups),
    Expectations,
}

/// A command that tells events, in a thread of its own.
struct Listener {
    out: PipeReader,
    notices: PipeReader,
    /// Ends it when dropped.
    end: Option<PipeWriter>,
    done: Receiver<Result<u64, EventsError>>,
}

impl Listener {
    fn start(ns: &Namespace, what: What, output: Output) -> Result<Self> {
        let (end, ends) = pipe()?;
        let this = Self::until(end.into(), ns, what, output)?;
        Ok(Self {
            end: Some(ends),
            ..this
        })
    }

    /// Starts one that ends when there is something to read from `end`.
    fn until(end: OwnedFd, ns: &Namespace, what: What, output: Output) -> Result<Self> {
        let ((out, mut told), (notices, mut noticed)) = (pipe()?, pipe()?);
        fcntl(&out, FcntlArg::F_SETPIPE_SZ(SHORT_PIPE_LEN))?;
        let (sender, done) = channel();
        let job = move || {
            let console = Console {
                out: &mut told,
                notices: &mut noticed,
                end: end.as_fd(),
            };
            let (query, groups, buffer_len) = match what {
                What::Flows(query, buffer_len) => (query, ALL, buffer_len),
                What::Some(query, groups) => (query, groups, None),
                What::Expectations => return events::expectations(&output, console),
            };
            let events = FlowEvents {
                query: &query,
                groups,
                buffer_len,
                labels: None,
            };
            events::flows(&events, &output, console)
        };
        // A thread is in the namespace of the one that starts it.
        ns.enter(move || {
            thread::spawn(move || {
                // A test that has failed does not listen any more.
                drop(sender.send(job()));
            })
        });
        Ok(Self {
            out,
            notices,
            end: None,
            done,
        })
    }
}

/// The lines of a pipe, which is read from now on, and no faster than lines are asked for.
struct Lines(Receiver<std::io::Result<String>>);

impl Lines {
    fn of(pipe: PipeReader) -> Self {
        let (sender, lines) = sync_channel(0);
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self(lines)
    }

    fn next(&self) -> Result<String> {
        let line = self.0.recv_timeout(LIMIT).context("no line comes")?;
        Ok(line?)
    }

    fn rest(&self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            match self.0.recv_timeout(LIMIT) {
                Ok(line) => lines.push(line?),
                Err(RecvTimeoutError::Disconnected) => return Ok(lines),
                Err(error @ RecvTimeoutError::Timeout) => return Err(error.into()),
            }
        }
    }

    fn ensure_ended(&self) -> Result<()> {
        let rest = self.rest()?;
        ensure!(rest.is_empty(), "more lines: {rest:?}");
        Ok(())
    }

    fn expect_header(&self, element: &str) -> Result<()> {
        ensure!(self.next()? == "<?xml version=\"1.0\" encoding=\"utf-8\"?>");
        ensure!(self.next()? == format!("<{element}>"));
        Ok(())
    }
}

fn is_event(line: &str, start: &str) -> bool {
    line.starts_with(start) && line.contains(" [USERSPACE] portid=")
}

/// A namespace whose flows raise events from their first one on.
fn namespace() -> Result<Namespace> {
    let ns = Namespace::new("events")?;
    ns.sysctl("netfilter/nf_conntrack_events", "1")?;
    Ok(ns)
}

/// The first two numbers of the kernel's version.
fn kernel_version() -> Result<(u32, u32)> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!("the kernel calls itself {release}"),
    }
}

fn udp(src_port: u16) -> Flow {
    let addrs = Addrs::V4 {
        src: [10, 0, 0, 1].into(),
        dst: [10, 0, 1, 1].into(),
    };
    Flow {
        timeout_secs: Some(600),
        status: Some(Status::CONFIRMED),
        ..Flow::new(Tuple {
            addrs,
            proto: Protocol::UDP,
            key: L4Key::Ports {
                src: src_port,
                dst: 53,
            },
        })
    }
}

/// Carries out requests over a socket that stays open.
fn execute(socket: &mut RequestSocket, requests: Vec<FlowRequest>) -> Result<()> {
    let batch = Batch {
        requests,
        ..Batch::default()
    };
    let mut failures = Vec::new();
    socket.execute(&batch, |_, _| {}, &mut failures)?;
    ensure!(failures.is_empty(), "{failures:?}");
    Ok(())
}

fn deletion(src_port: u16) -> FlowRequest {
    FlowRequest::Delete(FlowName {
        orig: udp(src_port).orig,
        zone: None,
        id: None,
    })
}
