//! The command line: one table of options, read by the parser and by `-h`.
//!
//! The options of the stock daemon are single letters; what it does not have is spelt out (`--check`).
//! Some letters take an operand that may be left out and that may be cut short
//! (`-i exp`, `-s net`): scripts of twenty years write it in every form. What the stock daemon takes
//! by accident, because it looks at the second byte of an argument alone (`-ix`, `xi`, `-dv`), is
//! refused: it never meant what it seems to say.

mod examine;
mod operand;
mod refusal;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::builder::ValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use conf_grammar::Dialect;
use engine::input::{CacheName, DumpFormat, Request, StatsTopic, Table};

use examine::QUESTIONS;
pub(crate) use examine::{Examination, Flows, MessageFormat, Question, Scope, Warnings};
use operand::{TOPIC_HELP, Topic, parse_cache, parse_table, parse_topic};
use refusal::{invalid_parameters, no_run, unknown_option};

/// Where the configuration is read from unless `-C` says otherwise.
const CONFIG_PATH: &str = "/etc/conntrackd/conntrackd.conf";

/// Stands for standard input where a file or a flow is named.
pub(crate) const STANDARD_INPUT: &str = "-";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// The configuration file; [`STANDARD_INPUT`] only for an examination.
    pub(crate) config: PathBuf,
    /// The language it is read in.
    pub(crate) dialect: Dialect,
    /// What to do.
    pub(crate) run: Run,
}

/// The kinds of run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Be the daemon.
    Daemon(Place),
    /// Ask the daemon.
    Client {
        /// For what.
        request: Request,
        /// Something the caller should know.
        advice: Option<&'static str>,
    },
    /// Ask about the configuration.
    Examination(Examination),
}

/// Where the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At the terminal.
    Foreground,
    /// Away from it (`-d`).
    Background,
}

/// The command line asks for no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoRun {
    /// It asks for a text.
    Text(String),
    /// It means nothing.
    Refused {
        /// What is wrong.
        message: String,
        /// The usage, where it may help.
        usage: Option<String>,
    },
}

/// What may follow a client option.
#[derive(Clone, Copy)]
enum Operand {
    None,
    Table,
    Cache,
    Topic,
}

/// The options that select a client run; one of them at most.
const ACTIONS: [(&str, char, Operand, &str); 11] = [
    (
        "commit",
        'c',
        Operand::Table,
        "commit external cache to conntrack table",
    ),
    (
        "flush-cache",
        'f',
        Operand::Cache,
        "flush internal and external cache",
    ),
    (
        "flush-kernel",
        'F',
        Operand::Table,
        "flush kernel conntrack table",
    ),
    (
        "internal",
        'i',
        Operand::Table,
        "display content of the internal cache",
    ),
    (
        "external",
        'e',
        Operand::Table,
        "display content of the external cache",
    ),
    ("stop", 'k', Operand::None, "kill conntrack daemon"),
    ("statistics", 's', Operand::Topic, TOPIC_HELP),
    (
        "resync-kernel",
        'R',
        Operand::Table,
        "resync with kernel conntrack table",
    ),
    (
        "request-resync",
        'n',
        Operand::None,
        "request resync with other node (only FT-FW and NOTRACK modes)",
    ),
    (
        "bulk",
        'B',
        Operand::None,
        "force a bulk send to other replica firewalls",
    ),
    (
        "purge",
        't',
        Operand::None,
        "flush the kernel table in PurgeTimeout seconds",
    ),
];

/// Returns the table of options.
pub(crate) fn command() -> Command {
    let flag = |id, letter, help| Arg::new(id).short(letter).action(ArgAction::SetTrue).help(help);
    Command::new("conntrackd")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Keeps the connection-tracking table of a firewall alive on its twin")
        .disable_help_flag(true)
        .disable_version_flag(true)
        .args_override_self(true)
        .next_help_heading("General commands")
        .arg(flag("daemon", 'd', "run in daemon mode"))
        .arg(
            Arg::new("config")
                .short('C')
                .value_name("configfile")
                .value_parser(ValueParser::path_buf())
                .default_value(CONFIG_PATH)
                .help("configuration file path; - is standard input, for the configuration commands"),
        )
        .arg(
            Arg::new("compat")
                .long("compat")
                .action(ArgAction::SetTrue)
                .help("accept what only the stock daemon's reader accepts"),
        )
        .arg(
            flag("version", 'v', "display conntrackd version")
                .long("version")
                .action(ArgAction::Version),
        )
        .arg(
            flag("help", 'h', "display this help information")
                .long("help")
                .action(ArgAction::HelpShort),
        )
        .next_help_heading("Client mode commands")
        .args(ACTIONS.map(|(id, letter, operand, help)| {
            let (names, parser) = match operand {
                Operand::None => return flag(id, letter, help),
                Operand::Table => ("ct|expect", ValueParser::new(parse_table)),
                Operand::Cache => ("internal|external", ValueParser::new(parse_cache)),
                Operand::Topic => ("topic", ValueParser::new(parse_topic)),
            };
            let option = Arg::new(id).short(letter).help(help);
            option.num_args(0..=1).value_name(names).value_parser(parser)
        }))
        .arg(
            flag(
                "xml",
                'x',
                "dump cache in XML format (requires -i or -e before it)",
            )
            .requires("dump"),
        )
        .next_help_heading("Configuration commands")
        .args(examine::options())
        .group(ArgGroup::new("dump").args(["internal", "external"]))
}

/// Reads the command line, program name first.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, NoRun> {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(glued) = args.iter().skip(1).find(|arg| is_glued(arg)) {
        return Err(unknown_option(&glued.to_string_lossy()));
    }
    let place = |option: &str| args.iter().position(|arg| arg == option);
    if place("-x").is_some_and(|xml| {
        [place("-i"), place("-e")]
            .iter()
            .flatten()
            .all(|dump| xml < *dump)
    }) {
        return Err(invalid_parameters("-x goes after -i or -e"));
    }
    let matches = command()
        .try_get_matches_from(&args)
        .map_err(|error| no_run(&error))?;
    check_one_run(&matches)?;
    let config: PathBuf = matches.get_one("config").cloned().unwrap_or_default();
    let run = if let Some(examination) = examine::examination(&matches)? {
        Run::Examination(examination)
    } else if matches.get_flag("daemon") {
        Run::Daemon(Place::Background)
    } else {
        client_run(&matches).unwrap_or(Run::Daemon(Place::Foreground))
    };
    check_standard_input(&config, &run)?;
    let dialect = if matches.get_flag("compat") {
        Dialect::Stock
    } else {
        Dialect::Strict
    };
    Ok(Invocation { config, dialect, run })
}

/// Makes sure that one run at most is asked for.
fn check_one_run(matches: &ArgMatches) -> Result<(), NoRun> {
    let runs = ACTIONS.map(|(id, ..)| id);
    let runs = ["daemon"].into_iter().chain(runs).chain(QUESTIONS);
    let mut given = runs.filter(|run| matches.value_source(run) == Some(ValueSource::CommandLine));
    match (given.next(), given.next()) {
        (Some(first), Some(second)) => Err(invalid_parameters(&format!(
            "{} cannot be combined with {}",
            spelt(first),
            spelt(second)
        ))),
        _ => Ok(()),
    }
}

/// Returns an option as it is written.
fn spelt(id: &str) -> String {
    let letter = ACTIONS.iter().find(|(action, ..)| *action == id);
    match letter.map(|(_, letter, ..)| letter) {
        Some(letter) => format!("-{letter}"),
        None if id == "daemon" => "-d".to_owned(),
        None => format!("--{id}"),
    }
}

/// Makes sure that standard input is read for one thing, by a program that reads it once.
fn check_standard_input(config: &Path, run: &Run) -> Result<(), NoRun> {
    if config != Path::new(STANDARD_INPUT) {
        return Ok(());
    }
    match run {
        Run::Examination(Examination {
            question: Question::Explain(Flows::StandardInput),
            ..
        }) => Err(invalid_parameters(
            "standard input cannot be both configuration and flows",
        )),
        Run::Examination(_) => Ok(()),
        Run::Daemon(_) | Run::Client { .. } => Err(invalid_parameters(
            "-C - goes with --check, --print-config, --migrate or --explain",
        )),
    }
}

/// Returns whether `arg` is an option with more than its letter: two options in one, or an option
/// with its operand.
fn is_glued(arg: &OsStr) -> bool {
    let bytes = arg.as_encoded_bytes();
    let is_long = bytes.starts_with(b"--") && bytes.len() > 2;
    bytes.starts_with(b"-") && bytes.len() > 1 && (bytes.len() != 2 || bytes == b"--") && !is_long
}

/// Returns the client run that the options select, if they do.
fn client_run(matches: &ArgMatches) -> Option<Run> {
    let table = |id: &str| matches.get_one::<Table>(id).copied();
    let format = if matches.get_flag("xml") {
        DumpFormat::Xml
    } else {
        DumpFormat::Text
    };
    let dump = |cache, id| Request::Dump {
        cache,
        table: table(id).unwrap_or(Table::Flows),
        format,
    };
    let (action, ..) = ACTIONS
        .into_iter()
        .find(|(id, ..)| matches.value_source(id) == Some(ValueSource::CommandLine))?;
    let mut advice = None;
    let request = match action {
        "commit" => Request::Commit(table(action).unwrap_or(Table::Both)),
        "flush-cache" => Request::FlushCache(matches.get_one(action).copied()),
        "flush-kernel" => Request::FlushKernel(table(action).unwrap_or(Table::Both)),
        "internal" => dump(CacheName::Internal, action),
        "external" => dump(CacheName::External, action),
        "stop" => Request::Stop,
        "statistics" => {
            let topic = matches.get_one::<Topic>(action);
            advice = topic.and_then(|topic| topic.advice);
            Request::Statistics(topic.map_or(StatsTopic::Flows, |topic| topic.topic))
        }
        "resync-kernel" => Request::ResyncKernel(table(action).unwrap_or(Table::Both)),
        "request-resync" => Request::RequestResync,
        "bulk" => Request::Bulk,
        "purge" => Request::SchedulePurge,
        _ => return None,
    };
    Some(Run::Client { request, advice })
}
