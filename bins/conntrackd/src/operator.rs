//! Whom the daemon tells what it does: its log and its service manager.

use engine::report::Report;
use engine::time::UnixTime;
use io::clock;
use io::event_loop::{Host, ShellReport};
use io::process::log::{Log, Severity};
use io::process::reason;
use io::process::systemd::Systemd;

/// The daemon's log and service manager.
#[derive(Debug)]
pub(crate) struct Operator {
    /// The log.
    pub(crate) log: Log,
    /// The service manager.
    pub(crate) systemd: Systemd,
}

impl Operator {
    /// Logs something at level notice.
    pub(crate) fn notice(&mut self, text: impl std::fmt::Display) {
        self.log.write(Severity::Notice, text, now());
    }

    /// Logs something that may need attention.
    pub(crate) fn warn(&mut self, text: impl std::fmt::Display) {
        self.log.write(Severity::Warning, text, now());
    }

    /// Logs that something could not be done.
    pub(crate) fn error(&mut self, text: impl std::fmt::Display) {
        self.log.write(Severity::Error, text, now());
    }

    /// Logs what the service manager could not be told.
    pub(crate) fn check_told(&mut self, told: std::io::Result<()>) {
        if let Err(error) = told {
            self.warn(format_args!("can't tell the service manager: {}", reason(&error)));
        }
    }
}

impl Host for &mut Operator {
    fn report(&mut self, report: &Report) {
        self.log.report(report, now());
    }

    fn report_shell(&mut self, report: &ShellReport) {
        self.log.write(report.level().into(), report, now());
    }

    fn reopen_logs(&mut self) {
        match self.log.reopen() {
            Ok(()) => self.notice("log file opened again"),
            Err(error) => self.error(error),
        }
    }

    fn keep_alive(&mut self) {
        let told = self.systemd.alive();
        self.check_told(told);
    }
}

fn now() -> UnixTime {
    clock::wall()
}
