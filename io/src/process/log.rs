//! What the daemon tells its operator: log file, syslog, terminal.
//!
//! ```text
//! [Fri Nov 20 21:33:04 2026] (pid=7294) [notice] committing all external caches
//! ```
//!
//! Scripts and log watchers know this line, so its form is that of the stock daemon.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use engine::flow::text::{ExpectationLine, FlowLine, Timeout};
use engine::report::{Level, Report};
use engine::time::UnixTime;
use jiff::tz::TimeZone;

use super::reason;

const SYSLOG_SOCKET: &str = "/dev/log";
const SYSLOG_IDENT: &str = "conntrack-tools";

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Detail.
    Info,
    /// Good to know.
    Notice,
    /// May need attention.
    Warning,
    /// Something was lost or could not be done.
    Error,
}

impl Severity {
    const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "ERROR",
        }
    }

    /// Returns the number in the priority of a syslog message (RFC 5424, section 6.2.1).
    const fn syslog(self) -> u8 {
        match self {
            Self::Info => 6,
            Self::Notice => 5,
            Self::Warning => 4,
            Self::Error => 3,
        }
    }
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Notice => Self::Notice,
            Level::Warning => Self::Warning,
            Level::Error => Self::Error,
        }
    }
}

/// Facility of syslog messages (RFC 5424, section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facility(pub u8);

impl Facility {
    /// System daemons.
    pub const DAEMON: Self = Self(3);

    /// Returns the facility of local use `number`, 0 to 7.
    #[must_use]
    pub const fn local(number: u8) -> Self {
        Self(16 | (number & 7))
    }
}

/// What goes to the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// Everything: info and notice to stdout, warning and error to stderr.
    All,
    /// Warnings and errors only: a daemon that is about to leave the terminal.
    Trouble,
    /// Nothing: it has left.
    Off,
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The log file.
    pub file: Option<PathBuf>,
    /// The facility, if syslog is told too.
    pub syslog: Option<Facility>,
    /// The terminal.
    pub console: Console,
}

/// The log file cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("can't open logfile `{}'.Reason: {}", path.display(), reason(source))]
pub struct LogError {
    /// The log file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// The log.
#[derive(Debug)]
pub struct Log {
    file: Option<(File, PathBuf)>,
    syslog: Option<Syslog>,
    console: Console,
    pid: u32,
    zone: TimeZone,
    /// Lines that could not be written since the last one that could, and why.
    lost: Option<(u64, io::Error)>,
}

/// The way to the syslog daemon.
#[derive(Debug)]
struct Syslog {
    socket: UnixDatagram,
    facility: Facility,
    /// The last message could not be sent, which was told.
    is_failing: bool,
}

impl Log {
    /// Returns the log of a run that has read no configuration: the terminal.
    #[must_use]
    pub fn terminal() -> Self {
        Self {
            file: None,
            syslog: None,
            console: Console::All,
            pid: std::process::id(),
            zone: TimeZone::system(),
            lost: None,
        }
    }

    /// Opens the log.
    ///
    /// # Errors
    /// If the log file cannot be opened.
    pub fn open(config: LogConfig) -> Result<Self, LogError> {
        let file = match config.file {
            Some(path) => Some((open(&path)?, path)),
            None => None,
        };
        let syslog = match config.syslog {
            Some(facility) => {
                let socket = syslog_socket().map_err(|source| LogError {
                    path: PathBuf::from(SYSLOG_SOCKET),
                    source,
                })?;
                Some(Syslog {
                    socket,
                    facility,
                    is_failing: false,
                })
            }
            None => None,
        };
        Ok(Self {
            file,
            syslog,
            console: config.console,
            ..Self::terminal()
        })
    }

    /// Opens the log file again: it was moved away by log rotation.
    ///
    /// # Errors
    /// If it cannot be opened; the old one stays in use.
    pub fn reopen(&mut self) -> Result<(), LogError> {
        if let Some((file, path)) = &mut self.file {
            *file = open(path)?;
        }
        self.zone = TimeZone::system();
        Ok(())
    }

    /// Changes what goes to the terminal.
    pub fn set_console(&mut self, console: Console) {
        self.console = console;
    }

    /// Writes each line of `text`.
    pub fn write(&mut self, severity: Severity, text: impl fmt::Display, now: UnixTime) {
        self.confess(now);
        for line in text.to_string().lines() {
            self.line(severity, line, now);
        }
    }

    /// Writes a report of the engine, and the flow or expectation it is about as an entry below.
    pub fn report(&mut self, report: &Report, now: UnixTime) {
        let (severity, timeout) = (report.level().into(), Timeout::Shown);
        self.write(severity, report, now);
        if let Some(flow) = report.flow() {
            self.entry(severity, &FlowLine { flow, timeout, now }, now);
        }
        if let Some(expectation) = report.expectation() {
            self.entry(severity, &ExpectationLine { expectation, timeout }, now);
        }
    }

    fn line(&mut self, severity: Severity, text: &str, now: UnixTime) {
        let line = self.prefixed(severity, text, now);
        self.append(severity, &line);
        self.send_to_syslog(severity, text, now);
    }

    fn prefixed(&self, severity: Severity, text: &str, now: UnixTime) -> String {
        let (date, pid, level) = (self.date(now), self.pid, severity.name());
        format!("[{date}] (pid={pid}) [{level}] {text}\n")
    }

    /// Writes an entry: its date and a tab instead of the prefix of other lines.
    fn entry(&mut self, severity: Severity, entry: &impl fmt::Display, now: UnixTime) {
        let line = format!("{}\t{entry}\n", self.date(now));
        self.append(severity, &line);
        self.send_to_syslog(severity, &entry.to_string(), now);
    }

    /// Writes a complete line to the log file and the terminal.
    fn append(&mut self, severity: Severity, line: &str) {
        if let Some((file, _)) = &mut self.file {
            let written = file.write_all(line.as_bytes());
            self.count(written);
        }
        let written = match (self.console, severity) {
            (Console::Off, _) | (Console::Trouble, Severity::Info | Severity::Notice) => Ok(()),
            (Console::All, Severity::Info | Severity::Notice) => write_and_flush(io::stdout().lock(), line),
            (Console::All | Console::Trouble, Severity::Warning | Severity::Error) => {
                write_and_flush(io::stderr().lock(), line)
            }
        };
        self.count(written);
    }

    fn send_to_syslog(&mut self, severity: Severity, text: &str, now: UnixTime) {
        let Some(mut syslog) = self.syslog.take() else {
            return;
        };
        let message = self.syslog_message(syslog.facility, severity, text, now);
        // By path each time: a syslog daemon that was restarted has a new socket there.
        let sent = syslog.socket.send_to(message.as_bytes(), SYSLOG_SOCKET);
        let failed_before = std::mem::replace(&mut syslog.is_failing, sent.is_err());
        if let (Err(error), false) = (sent, failed_before) {
            let line = self.prefixed(
                Severity::Warning,
                &format!("can't tell syslog: {}", reason(&error)),
                now,
            );
            self.append(Severity::Warning, &line);
        }
        self.syslog = Some(syslog);
    }

    fn syslog_message(&self, facility: Facility, severity: Severity, text: &str, now: UnixTime) -> String {
        let priority = u32::from(facility.0) * 8 + u32::from(severity.syslog());
        let date = self.local(now, "%b %e %H:%M:%S");
        format!("<{priority}>{date} {SYSLOG_IDENT}[{}]: {text}", self.pid)
    }

    /// Returns the local date as `ctime` prints it.
    fn date(&self, now: UnixTime) -> String {
        self.local(now, "%a %b %e %H:%M:%S %Y")
    }

    fn local(&self, now: UnixTime, format: &str) -> String {
        let secs = i64::try_from(now.whole_secs()).unwrap_or(i64::MAX);
        let moment = jiff::Timestamp::from_second(secs).unwrap_or(jiff::Timestamp::MAX);
        moment.to_zoned(self.zone.clone()).strftime(format).to_string()
    }

    /// Counts a line that could not be written: a full disk must not stop replication.
    fn count(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            let lines = self.lost.take().map_or(0, |(lines, _)| lines);
            self.lost = Some((lines.saturating_add(1), error));
        }
    }

    /// Says what was lost, ahead of the next line.
    fn confess(&mut self, now: UnixTime) {
        if let Some((lines, error)) = self.lost.take() {
            let text = format!("{lines} log lines could not be written: {}", reason(&error));
            self.line(Severity::Warning, &text, now);
            if let Some((still_lost, _)) = &mut self.lost {
                *still_lost = lines;
            }
        }
    }
}

fn open(path: &Path) -> Result<File, LogError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| LogError {
            path: path.to_owned(),
            source,
        })
}

fn syslog_socket() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A syslog daemon that does not read must not stop us.
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn write_and_flush(mut terminal: impl Write, line: &str) -> io::Result<()> {
    terminal.write_all(line.as_bytes())?;
    terminal.flush()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use engine::flow::{Addrs, Flow, L4Key, Protocol, Tuple};
    use engine::input::Errno;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_795_210_384);

    fn log_to(path: &Path) -> Log {
        let mut log = Log::open(LogConfig {
            file: Some(path.to_owned()),
            syslog: None,
            console: Console::Off,
        })
        .unwrap();
        log.pid = 7294;
        log.zone = TimeZone::UTC;
        log
    }

    #[test]
    fn a_line_has_local_date_process_and_level() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = log_to(&path);
        log.write(Severity::Notice, "committing all external caches", NOW);
        log.zone = TimeZone::fixed(jiff::tz::offset(2));
        log.write(
            Severity::Error,
            "first\nsecond",
            UnixTime::from_secs(1_795_210_384 - 15 * 86_400),
        );
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "[Fri Nov 20 21:33:04 2026] (pid=7294) [notice] committing all external caches\n\
             [Thu Nov  5 23:33:04 2026] (pid=7294) [ERROR] first\n\
             [Thu Nov  5 23:33:04 2026] (pid=7294) [ERROR] second\n"
        );
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_failed_commit_is_followed_by_its_flow() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut flow = Flow::new(Tuple {
            addrs: Addrs::V4 {
                src: "10.3.1.10".parse().unwrap(),
                dst: "10.3.2.10".parse().unwrap(),
            },
            proto: Protocol::UDP,
            key: L4Key::Ports {
                src: 41_105,
                dst: 6000,
            },
        });
        flow.timeout_secs = Some(30);
        let report = Report::CommitFailed {
            operation: "create",
            errno: Errno::EINVAL,
            flow: Box::new(flow),
        };
        log_to(&path).report(&report, NOW);
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "[Fri Nov 20 21:33:04 2026] (pid=7294) [ERROR] commit-create: Invalid argument\n\
             Fri Nov 20 21:33:04 2026\tudp      17 30 src=10.3.1.10 dst=10.3.2.10 sport=41105 dport=6000\n"
        );
    }

    #[test]
    fn a_rotated_log_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (path, moved) = (dir.path().join("log"), dir.path().join("log.1"));
        let mut log = log_to(&path);
        log.write(Severity::Notice, "before", NOW);
        fs::rename(&path, &moved).unwrap();
        log.reopen().unwrap();
        log.zone = TimeZone::UTC;
        log.write(Severity::Notice, "after", NOW);
        assert!(fs::read_to_string(&moved).unwrap().ends_with("before\n"));
        assert!(fs::read_to_string(&path).unwrap().ends_with("after\n"));
    }

    #[test]
    fn lines_that_were_lost_are_told_before_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = log_to(&path);
        log.file = Some((
            OpenOptions::new().write(true).open("/dev/full").unwrap(),
            path.clone(),
        ));
        log.write(Severity::Notice, "lost", NOW);
        log.reopen().unwrap();
        log.write(Severity::Notice, "kept", NOW);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains("[warning] 1 log lines could not be written: No space left on device\n"),
            "{text}"
        );
        assert!(text.ends_with("[notice] kept\n"), "{text}");
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_is_named() {
        let error = Log::open(LogConfig {
            file: Some(PathBuf::from("/nonexistent/log")),
            syslog: None,
            console: Console::Off,
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "can't open logfile `/nonexistent/log'.Reason: No such file or directory"
        );
    }

    #[test]
    fn syslog_gets_ident_process_and_priority() {
        let dir = tempfile::tempdir().unwrap();
        let log = log_to(&dir.path().join("log"));
        assert_eq!(
            log.syslog_message(Facility::local(1), Severity::Warning, "text", NOW),
            "<140>Nov 20 21:33:04 conntrack-tools[7294]: text"
        );
        assert_eq!(
            log.syslog_message(Facility::DAEMON, Severity::Error, "text", NOW),
            "<27>Nov 20 21:33:04 conntrack-tools[7294]: text"
        );
    }
}
