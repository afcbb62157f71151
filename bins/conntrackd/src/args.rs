//! The command line: one table of options, read by the parser and by `-h`.
//!
//! Options are single letters. Some take an operand that may be left out and that may be cut short
//! (`-i exp`, `-s net`): scripts of twenty years write it in every form. What the stock daemon takes
//! by accident, because it looks at the second byte of an argument alone (`-ix`, `xi`, `-dv`), is
//! refused: it never meant what it seems to say.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command};
use engine::input::{CacheName, DumpFormat, Request, StatsTopic, Table};

/// Where the configuration is read from unless `-C` says otherwise.
const CONFIG_PATH: &str = "/etc/conntrackd/conntrackd.conf";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    /// The configuration file.
    pub(crate) config: PathBuf,
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
        .arg(flag("daemon", 'd', "run in daemon mode").conflicts_with("action"))
        .arg(
            Arg::new("config")
                .short('C')
                .value_name("configfile")
                .value_parser(ValueParser::path_buf())
                .default_value(CONFIG_PATH)
                .help("configuration file path"),
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
        .group(ArgGroup::new("dump").args(["internal", "external"]))
        .group(ArgGroup::new("action").args(ACTIONS.map(|(id, ..)| id)))
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
    let run = if matches.get_flag("daemon") {
        Run::Daemon(Place::Background)
    } else {
        client_run(&matches).unwrap_or(Run::Daemon(Place::Foreground))
    };
    let config = matches.get_one("config").cloned().unwrap_or_default();
    Ok(Invocation { config, run })
}

/// Returns whether `arg` is an option with more than its letter: two options in one, an option with
/// its operand, or a long option that does not exist.
fn is_glued(arg: &OsStr) -> bool {
    let is_long = arg == "--help" || arg == "--version";
    arg.as_encoded_bytes().starts_with(b"-") && (arg.len() != 2 || arg == "--") && !is_long
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

/// An operand of `-s`.
#[derive(Clone, Copy, Debug)]
struct Topic {
    topic: StatsTopic,
    advice: Option<&'static str>,
}

/// In the order that decides between words with the same beginning.
const TOPICS: [(&str, StatsTopic); 11] = [
    ("network", StatsTopic::Network),
    ("cache", StatsTopic::Cache),
    ("runtime", StatsTopic::Runtime),
    (MULTICAST, StatsTopic::Link),
    ("link", StatsTopic::Link),
    ("rsqueue", StatsTopic::ResendQueue),
    ("process", StatsTopic::Process),
    ("queue", StatsTopic::Queue),
    ("ct", StatsTopic::Flows),
    ("expect", StatsTopic::Expectations),
    ("counters", StatsTopic::Counters),
];

const TOPIC_HELP: &str =
    "dump statistics: ct, expect, network, cache, runtime, link, rsqueue, process, queue or counters";

/// What `link` was called when there was no other transport.
const MULTICAST: &str = "multicast";

fn parse_topic(operand: &str) -> Result<Topic, String> {
    let (word, topic) = completed(operand, TOPICS)?;
    let advice = (word == MULTICAST).then_some("use `link' instead of `multicast' as parameter.");
    Ok(Topic { topic, advice })
}

fn parse_table(operand: &str) -> Result<Table, String> {
    let (_, table) = completed(operand, [("ct", Table::Flows), ("expect", Table::Expectations)])?;
    Ok(table)
}

fn parse_cache(operand: &str) -> Result<CacheName, String> {
    let caches = [
        ("internal", CacheName::Internal),
        ("external", CacheName::External),
    ];
    let (_, cache) = completed(operand, caches)?;
    Ok(cache)
}

/// Returns the first word that begins with `operand`, and its meaning.
fn completed<T>(
    operand: &str,
    words: impl IntoIterator<Item = (&'static str, T)>,
) -> Result<(&'static str, T), String> {
    words
        .into_iter()
        .find(|(word, _)| !operand.is_empty() && word.starts_with(operand))
        .ok_or_else(|| "no such word".to_owned())
}

/// Says in the words that scripts know what the parser found.
fn no_run(error: &clap::Error) -> NoRun {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    let option = letter(&argument);
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's own enum, and non-exhaustive"
    )]
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => NoRun::Text(error.render().to_string()),
        ErrorKind::UnknownArgument => unknown_option(&argument),
        ErrorKind::ValueValidation => NoRun::Refused {
            message: format!(
                "unknown parameter `{}' for option `{}'",
                context(ContextKind::InvalidValue),
                option
            ),
            usage: None,
        },
        ErrorKind::InvalidValue => invalid_parameters(&format!("{option} lacks its operand")),
        ErrorKind::ArgumentConflict => {
            let other = context(ContextKind::PriorArg);
            let other = letter(&other);
            invalid_parameters(&format!("{option} cannot be combined with {other}"))
        }
        ErrorKind::MissingRequiredArgument => invalid_parameters("-x goes after -i or -e"),
        _ => invalid_parameters(error.render().to_string().trim()),
    }
}

/// Returns the option alone of `-s [<topic>]`.
fn letter(argument: &str) -> &str {
    argument.split(' ').next().unwrap_or_default()
}

fn unknown_option(option: &str) -> NoRun {
    NoRun::Refused {
        message: format!("Unknown option: {option}"),
        usage: Some(usage()),
    }
}

fn invalid_parameters(why: &str) -> NoRun {
    NoRun::Refused {
        message: format!("Invalid parameters: {why}"),
        usage: Some(usage()),
    }
}

fn usage() -> String {
    command().render_help().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, NoRun> {
        parse(
            ["conntrackd"]
                .into_iter()
                .chain(line.split_whitespace())
                .map(OsString::from),
        )
    }

    fn run(line: &str) -> Run {
        parsed(line)
            .unwrap_or_else(|refused| panic!("{line}: {refused:?}"))
            .run
    }

    fn refusal(line: &str) -> String {
        match parsed(line) {
            Err(NoRun::Refused { message, .. }) => message,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn without_a_client_action_the_program_is_the_daemon() {
        for (line, config, place) in [
            ("", CONFIG_PATH, Place::Foreground),
            ("-d", CONFIG_PATH, Place::Background),
            ("-C /a -d", "/a", Place::Background),
            ("-d -C /a -C /b", "/b", Place::Background),
            ("-C /a", "/a", Place::Foreground),
        ] {
            let want = Invocation {
                config: config.into(),
                run: Run::Daemon(place),
            };
            assert_eq!(parsed(line), Ok(want), "{line}");
        }
    }

    #[test]
    fn every_client_action_asks_for_what_it_says() {
        use CacheName::{External, Internal};
        use Table::{Both, Expectations, Flows};
        let dump = |cache, table, format| Request::Dump { cache, table, format };
        for (line, request) in [
            ("-c", Request::Commit(Both)),
            ("-c ct", Request::Commit(Flows)),
            ("-c exp", Request::Commit(Expectations)),
            ("-i", dump(Internal, Flows, DumpFormat::Text)),
            ("-i e", dump(Internal, Expectations, DumpFormat::Text)),
            ("-i -x", dump(Internal, Flows, DumpFormat::Xml)),
            ("-e expect -x", dump(External, Expectations, DumpFormat::Xml)),
            ("-f", Request::FlushCache(None)),
            ("-f int", Request::FlushCache(Some(Internal))),
            ("-f external", Request::FlushCache(Some(External))),
            ("-F", Request::FlushKernel(Both)),
            ("-F ct", Request::FlushKernel(Flows)),
            ("-R", Request::ResyncKernel(Both)),
            ("-R exp -C /a", Request::ResyncKernel(Expectations)),
            ("-B", Request::Bulk),
            ("-n", Request::RequestResync),
            ("-t", Request::SchedulePurge),
            ("-k", Request::Stop),
            ("-C /a -k", Request::Stop),
        ] {
            assert_eq!(
                run(line),
                Run::Client {
                    request,
                    advice: None
                },
                "{line}"
            );
        }
    }

    #[test]
    fn a_topic_may_be_cut_short_and_ties_have_an_order() {
        for (line, topic) in [
            ("-s", StatsTopic::Flows),
            ("-s ct", StatsTopic::Flows),
            ("-s c", StatsTopic::Cache),
            ("-s n", StatsTopic::Network),
            ("-s r", StatsTopic::Runtime),
            ("-s rs", StatsTopic::ResendQueue),
            ("-s rsqueue", StatsTopic::ResendQueue),
            ("-s p", StatsTopic::Process),
            ("-s queue", StatsTopic::Queue),
            ("-s link", StatsTopic::Link),
            ("-s exp", StatsTopic::Expectations),
        ] {
            let request = Request::Statistics(topic);
            assert_eq!(
                run(line),
                Run::Client {
                    request,
                    advice: None
                },
                "{line}"
            );
        }
        let Run::Client { request, advice } = run("-s multicast") else {
            panic!("a client run");
        };
        assert_eq!(request, Request::Statistics(StatsTopic::Link));
        assert!(advice.is_some_and(|advice| advice.contains("use `link'")));
    }

    #[test]
    fn what_means_nothing_is_refused_in_known_words() {
        for (line, message) in [
            ("-s foo", "unknown parameter `foo' for option `-s'"),
            ("-f foo", "unknown parameter `foo' for option `-f'"),
            ("-c foo", "unknown parameter `foo' for option `-c'"),
            ("-i ct foo", "Unknown option: foo"),
            ("--stats", "Unknown option: --stats"),
            ("-S", "Unknown option: -S"),
            ("-", "Unknown option: -"),
            ("--", "Unknown option: --"),
            ("-ix", "Unknown option: -ix"),
            ("-iexp", "Unknown option: -iexp"),
            ("-dv", "Unknown option: -dv"),
            ("xi", "Unknown option: xi"),
        ] {
            assert_eq!(refusal(line), message, "{line}");
        }
        for line in [
            "-i -d", "-d -i", "-i -s", "-c -f", "-x", "-x -i", "-s -x", "-d -x", "-C", "-s -C",
        ] {
            let message = refusal(line);
            assert!(message.starts_with("Invalid parameters: "), "{line}: {message}");
        }
    }

    #[test]
    fn an_empty_argument_is_refused() {
        for args in [&["conntrackd", ""][..], &["conntrackd", "-s", ""]] {
            let refused = parse(args.iter().map(OsString::from));
            assert!(
                matches!(refused, Err(NoRun::Refused { .. })),
                "{args:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn help_and_version_are_texts() {
        for (line, part) in [
            ("-h", "Client mode commands"),
            ("--help", "commit external cache"),
            ("-v", env!("CARGO_PKG_VERSION")),
            ("-C /a -v", "conntrackd"),
        ] {
            let Err(NoRun::Text(text)) = parsed(line) else {
                panic!("{line} is a text");
            };
            assert!(text.contains(part), "{line}: {text}");
        }
    }

    #[test]
    fn the_table_of_options_is_consistent() {
        command().debug_assert();
    }
}
