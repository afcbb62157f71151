//! The configuration language of conntrackd: text in, typed configuration and diagnostics out.
//!
//! A file goes one way through the modules: `parse` splits it into words (`grammar.pest`) and reads
//! clauses by the table of `schema`, `model` combines them into a [`Config`] with every default filled
//! in, `check` judges what remains, and [`render`] shows every finding with its source line. [`print()`] goes
//! the way back, from the model to a file; [`migrate()`] writes today's spelling into an old file.
//!
//! ```
//! let source = b"Sync {
//!     UDP {
//!         IPv4_address 192.0.2.1
//!         IPv4_Destination_Address 192.0.2.2
//!         Port 3780
//!         Interface eth2
//!     }
//! }";
//! let outcome = conf_grammar::parse("conntrackd.conf", source);
//! eprint!("{}", conf_grammar::render(&outcome.diagnostics, &outcome.file_name, source));
//! let config = outcome.config.as_ref().expect("there are warnings, but no errors");
//! let sync = config.sync().expect("the section is there");
//! assert_eq!(sync.mode.value.name(), "FTFW");
//! if let conf_grammar::Links::Udp(links) = &sync.links {
//!     let port = links.as_slice()[0].transport.port;
//!     assert_eq!(outcome.place(&port), "conntrackd.conf:5:14");
//! }
//! ```
//!
//! **Invariant:** nothing here opens a file, asks a name service or knows an interface; the crate
//! depends on no other room of the workspace, and its only input is a slice of bytes.

mod check;
mod diagnose;
mod dialect;
mod migrate;
mod model;
mod parse;
mod print;
pub mod reference;
mod schema;
mod span;

use std::path::PathBuf;

pub use diagnose::{Code, Diagnostic, Related, Severity, render, render_json, render_styled, sort};
pub use dialect::Dialect;
pub use migrate::{Change, Migration, migrate, migrate_with};
pub use model::{
    Config, ExpectationSync, Facility, Filter, FilterPlace, FilterSet, General, Helper, HelperL3, HelperL4,
    HelperPolicy, Helpers, Interface, Link, LinkSet, Links, Mode, MulticastGroup, Network, Policy, Running,
    Scheduler, SchedulerClass, StatsConfig, SyncConfig, TcpState, Unicast, UnicastAddresses,
};
pub use parse::FILE_MAX;
pub use print::print;
pub use schema::clauses;
pub use span::{Location, Span, Spanned};

/// What became of a file.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What the file is called in messages.
    pub file_name: String,
    /// The effective configuration; `None` if there are errors.
    pub config: Option<Config>,
    /// The control socket, also of a file that has errors elsewhere: a client needs no more.
    pub control_socket: Option<Spanned<PathBuf>>,
    /// The syslog facility of the daemon, also of a file that has errors elsewhere: whom to tell them.
    pub syslog: Option<Facility>,
    /// Everything found, in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
}

impl Outcome {
    /// Whether the file cannot be used.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Returns `file:line:column` of a setting, for a message about it after the file was read; the
    /// name of the file alone if the setting is a default.
    pub fn place<T>(&self, setting: &Spanned<T>) -> String {
        match setting.location() {
            Some(location) => format!("{}:{location}", self.file_name),
            None => self.file_name.clone(),
        }
    }
}

/// Reads a configuration in today's language.
///
/// Any bytes are taken; what is wrong with them is in the diagnostics, and all of it: after a mistake
/// the reader goes on at the next clause. The cost is linear in the size of the file. `file_name` is not
/// opened, messages call the file so.
pub fn parse(file_name: &str, source: &[u8]) -> Outcome {
    parse_with(file_name, source, Dialect::Strict)
}

/// Reads a configuration like [`parse()`], in a language of choice.
pub fn parse_with(file_name: &str, source: &[u8], dialect: Dialect) -> Outcome {
    let mut sink = diagnose::Sink::new(dialect);
    let file = parse::read(source, &mut sink);
    let config = file
        .as_deref()
        .and_then(|file| model::build::config(file, &mut sink));
    if let Some(config) = &config {
        check::check(config, &mut sink);
    }
    Outcome {
        file_name: file_name.to_owned(),
        config: config.filter(|_| !sink.has_errors()),
        control_socket: file.as_deref().and_then(model::build::control_socket),
        syslog: file.as_deref().and_then(model::build::syslog),
        diagnostics: sink.into_sorted(),
    }
}
