//! The options that ask about the configuration itself, without a daemon.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches};

use super::NoRun;
use super::refusal::invalid_parameters;

/// A question about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Examination {
    /// What is asked.
    pub(crate) question: Question,
    /// How findings are printed.
    pub(crate) format: MessageFormat,
    /// Whether warnings are failures.
    pub(crate) warnings: Warnings,
}

/// What is asked about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// What is wrong with it (`--check`).
    Check(Scope),
    /// What it means, defaults included (`--print-config`).
    Print,
    /// How it reads in today's language (`--migrate`).
    Migrate,
    /// Whether flows are replicated, and what decides it (`--explain`).
    Explain(Flows),
}

/// How far a check looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// At the text alone.
    Text,
    /// At this machine too (`--host`).
    Host,
}

/// The flows to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flows {
    /// This one.
    Line(String),
    /// Those on standard input, one a line (`-`).
    StandardInput,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessageFormat {
    /// With the lines of the file they are about.
    Human,
    /// As JSON, an object a line.
    Json,
}

/// Whether warnings are failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Warnings {
    /// They are not.
    Allowed,
    /// They are (`--deny-warnings`).
    Denied,
}

/// The options that ask; one of them at most.
pub(super) const QUESTIONS: [&str; 4] = ["check", "print-config", "migrate", "explain"];

/// Options that say how, and what they go with.
const MANNERS: [(&str, &[&str]); 3] = [
    ("host", &["check"]),
    ("deny-warnings", &QUESTIONS),
    ("message-format", &QUESTIONS),
];

/// Returns the options of this file.
pub(super) fn options() -> [Arg; 7] {
    let flag = |name, help| Arg::new(name).long(name).action(ArgAction::SetTrue).help(help);
    [
        flag(
            "check",
            "report what is wrong with the configuration and exit: 0 without errors, 1 with errors; \
             what this version cannot do is a warning, with --host or --deny-warnings a failure; \
             nothing is opened, created or loaded",
        ),
        flag(
            "host",
            "with --check: look also at what the configuration names on this machine",
        ),
        flag(
            "print-config",
            "print the configuration with every default filled in",
        ),
        flag(
            "migrate",
            "print the configuration file with old clauses rewritten",
        ),
        Arg::new("explain").long("explain").value_name("flow").help(
            "say whether a flow, as `conntrack -L' prints it, is replicated and which clause decides; \
                 - reads flows from standard input, one a line",
        ),
        flag("deny-warnings", "with one of these: exit 1 on warnings too"),
        Arg::new("message-format")
            .long("message-format")
            .visible_alias("format")
            .value_name("human|json")
            .value_parser(ValueParser::new(parse_format))
            .help(
                "with one of these: how findings are printed; human: to standard error; json: an object \
                 a line, with --check to standard output",
            ),
    ]
}

/// Returns the question that the options ask, if they do.
pub(super) fn examination(matches: &ArgMatches) -> Result<Option<Examination>, NoRun> {
    let is_given =
        |option: &str| matches.value_source(option) == Some(clap::parser::ValueSource::CommandLine);
    let asked = QUESTIONS.into_iter().find(|question| is_given(question));
    for (manner, companions) in MANNERS {
        if is_given(manner) && !asked.is_some_and(|asked| companions.contains(&asked)) {
            let companions: Vec<String> = companions.iter().map(|name| format!("--{name}")).collect();
            let companions = companions.join(", ");
            return Err(invalid_parameters(&format!("--{manner} goes with {companions}")));
        }
    }
    let Some(asked) = asked else {
        return Ok(None);
    };
    let question = match (asked, matches.get_one::<String>("explain")) {
        (_, Some(flow)) if flow == "-" => Question::Explain(Flows::StandardInput),
        (_, Some(flow)) => Question::Explain(Flows::Line(flow.clone())),
        ("print-config", None) => Question::Print,
        ("migrate", None) => Question::Migrate,
        (_, None) if matches.get_flag("host") => Question::Check(Scope::Host),
        (_, None) => Question::Check(Scope::Text),
    };
    Ok(Some(Examination {
        question,
        format: matches
            .get_one("message-format")
            .copied()
            .unwrap_or(MessageFormat::Human),
        warnings: if matches.get_flag("deny-warnings") {
            Warnings::Denied
        } else {
            Warnings::Allowed
        },
    }))
}

fn parse_format(word: &str) -> Result<MessageFormat, &'static str> {
    match word {
        "human" => Ok(MessageFormat::Human),
        "json" => Ok(MessageFormat::Json),
        _ => Err("no such format"),
    }
}
