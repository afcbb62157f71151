//! The table as [`clap`] knows options: for the help and for the completions of shells.
//!
//! Command lines are not read by it: see `scan`.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};
use engine::flow::Protocol;

use super::table::{
    Column, GENERAL, OptionRow, PARTS, PROTOCOLS, Part, PartRow, Section, Table, VERBS, Value, VerbRow,
};
use super::values::list::STATUS;
use super::values::state;

/// Returns the text of `-h`, with the options of a protocol.
#[must_use]
pub fn help(protocol: Option<Protocol>) -> String {
    let row = PROTOCOLS.iter().find(|row| Some(row.number) == protocol);
    let command = row.map_or_else(general, |row| {
        let own = PARTS
            .iter()
            .filter(|part| part.protocols() & row.tracked.bit() != 0);
        general()
            .next_help_heading("Options of this protocol, after -p")
            .args(own.map(part_arg))
    });
    command.term_width(100).render_help().to_string()
}

/// Returns the whole table, the options of all protocols too.
#[must_use]
pub fn command() -> Command {
    general()
        .next_help_heading("Options of protocols")
        .args(PARTS.iter().map(part_arg))
}

const AFTER_HELP: &str =
    "TABLE is conntrack (if none is named), expect, dying or unconfirmed; it follows the command.
A list of addresses (10.0.0.0/8,192.0.2.1-192.0.2.9) or ports (80,8000-8100) selects what is in it.
Labels are named in /etc/xtables/connlabel.conf. Protocols have options of their own: conntrack -h -p tcp";

fn general() -> Command {
    Command::new("conntrack")
        .about("Shows and edits the kernel's connection-tracking table")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_flag(true)
        .disable_version_flag(true)
        .override_usage("conntrack COMMAND [TABLE] [OPTION]...")
        .help_template("{about} (Flowtwin {version})\n\n{usage-heading} {usage}\n\n{all-args}{after-help}\n")
        .after_help(AFTER_HELP)
        .next_help_heading("Commands")
        .args(VERBS.iter().map(verb_arg))
        .arg(
            Arg::new("load-file")
                .short('R')
                .long("load-file")
                .value_name("FILE")
                .value_hint(clap::ValueHint::FilePath)
                .help("Carry out the lines of a file, - is standard input; the first argument, and alone"),
        )
        .args(SECTIONS.into_iter().flat_map(|(section, heading)| {
            let rows = GENERAL.iter().filter(move |row| row.section == section);
            rows.map(move |row| general_arg(row).help_heading(heading))
        }))
}

/// The headings of the help, in their order.
pub const SECTIONS: [(Section, &str); 4] = [
    (Section::Common, "Options for flows and expectations"),
    (Section::Flows, "Options for flows"),
    (Section::Changes, "Options for changes"),
    (Section::Expectations, "Options for expectations"),
];

fn verb_arg(row: &VerbRow) -> Arg {
    let arg = Arg::new(row.long)
        .short(char::from(row.short))
        .long(row.long)
        .help(row.doc);
    match row.operand {
        Some(_) => arg
            .num_args(0..=1)
            .value_name("TABLE")
            .value_parser(PossibleValuesParser::new(Table::ALL.map(|(_, name)| name)))
            .hide_possible_values(true),
        None => arg.action(ArgAction::SetTrue),
    }
}

fn general_arg(row: &OptionRow) -> Arg {
    let mut arg = named(row.names, row.value, row.doc);
    if let Some(letter) = row.short {
        arg = arg.short(char::from(letter));
    }
    let words = words(row.column);
    if words.is_empty() {
        return arg;
    }
    arg.value_parser(PossibleValuesParser::new(words))
        .hide_possible_values(true)
}

fn part_arg(row: &PartRow) -> Arg {
    let arg = named(row.names, row.value, row.doc);
    match row.part {
        Part::State => arg
            .value_parser(PossibleValuesParser::new(state::names()))
            .hide_possible_values(true),
        Part::Role => arg
            .value_parser(PossibleValuesParser::new(state::ROLES))
            .hide_possible_values(true),
        Part::OrigSrc
        | Part::OrigDst
        | Part::ReplySrc
        | Part::ReplyDst
        | Part::MaskSrc
        | Part::MaskDst
        | Part::TupleSrc
        | Part::TupleDst
        | Part::OrigVtag
        | Part::ReplyVtag
        | Part::IcmpType
        | Part::IcmpCode
        | Part::IcmpId => arg,
    }
}

fn named(names: &'static [&'static str], value: Value, doc: &'static str) -> Arg {
    let arg = Arg::new(names[0])
        .long(names[0])
        .visible_aliases(names[1..].iter().copied())
        .help(doc);
    match value {
        Value::None => arg.action(ArgAction::SetTrue),
        Value::Required(what) => arg.value_name(what),
        Value::Optional(what) => arg.value_name(what).num_args(0..=1),
    }
}

/// Returns the words that an option knows.
#[must_use]
pub fn words(column: Column) -> Vec<&'static str> {
    match column {
        Column::Family => vec!["ipv4", "ipv6"],
        Column::Proto => PROTOCOLS.iter().map(|row| row.name).collect(),
        Column::Status => STATUS
            .iter()
            .map(|(name, _)| *name)
            .chain(["UNREPLIED"])
            .collect(),
        Column::EventMask => super::given::EVENTS.iter().map(|(name, _)| *name).collect(),
        Column::Output => super::given::OUTPUTS.iter().map(|(name, _)| *name).collect(),
        Column::Src
        | Column::Dst
        | Column::ReplySrc
        | Column::ReplyDst
        | Column::Timeout
        | Column::Zero
        | Column::TupleSrc
        | Column::TupleDst
        | Column::MaskSrc
        | Column::MaskDst
        | Column::NatRange
        | Column::Mark
        | Column::Id
        | Column::SrcNat
        | Column::DstNat
        | Column::Secmark
        | Column::BufferSize
        | Column::AnyNat
        | Column::Zone
        | Column::Label
        | Column::LabelAdd
        | Column::LabelDel
        | Column::OrigZone
        | Column::ReplyZone
        | Column::Helper => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_one_that_clap_takes() {
        command().debug_assert();
    }

    #[test]
    fn the_help_tells_every_option_of_a_protocol() {
        let general = help(None);
        for row in &GENERAL {
            assert!(general.contains(&format!("--{}", row.names[0])), "{row:?}");
        }
        assert!(!general.contains("--sport"));
        for row in &PROTOCOLS {
            let text = help(Some(row.number));
            let own = PARTS
                .iter()
                .filter(|part| part.protocols() & row.tracked.bit() != 0);
            for name in own.flat_map(|part| part.names) {
                assert!(text.contains(&format!("--{name}")), "{name} of {}", row.name);
            }
        }
    }

    #[test]
    fn the_help_reads_well() {
        insta::assert_snapshot!(help(Some(Protocol::TCP)));
    }
}
