//! The reader against its table.

use super::*;
use crate::diagnose::Severity;
use crate::schema::Repeats;

/// The text of a file around a block of each kind; `None` for blocks that hold no clauses.
fn around(kind: BlockKind) -> Option<[&'static str; 2]> {
    Some(match kind {
        BlockKind::File => ["", ""],
        BlockKind::General => ["General {\n", "}"],
        BlockKind::Unix => ["General { UNIX {\n", "} }"],
        BlockKind::Scheduler => ["General { Scheduler {\n", "} }"],
        BlockKind::Filter => ["General { Filter {\n", "} }"],
        BlockKind::Addresses => ["General { Filter { Address Ignore {\n", "} } }"],
        BlockKind::Sync => ["Sync {\n", "}"],
        BlockKind::Ftfw => ["Sync { Mode FTFW {\n", "} }"],
        BlockKind::Alarm => ["Sync { Mode ALARM {\n", "} }"],
        BlockKind::Notrack => ["Sync { Mode NOTRACK {\n", "} }"],
        BlockKind::Multicast => ["Sync { Multicast {\n", "} }"],
        BlockKind::Udp => ["Sync { UDP {\n", "} }"],
        BlockKind::Tcp => ["Sync { TCP {\n", "} }"],
        BlockKind::Options => ["Sync { Options {\n", "} }"],
        BlockKind::Stats => ["Stats {\n", "}"],
        BlockKind::Helper => ["Helper {\n", "}"],
        BlockKind::HelperType => ["Helper { Type ftp inet tcp {\n", "} }"],
        BlockKind::HelperPolicy => ["Helper { Type ftp inet tcp { Policy ftp {\n", "} } }"],
        BlockKind::IgnoredAddresses => ["IgnoreTrafficFor {\n", "}"],
        BlockKind::Protocols
        | BlockKind::States
        | BlockKind::ExpectationNames
        | BlockKind::IgnoredProtocols => return None,
    })
}

fn read(source: &str) -> (Vec<Clause>, Vec<Diagnostic>) {
    let mut sink = Sink::default();
    let clauses = crate::parse::read(source.as_bytes(), &mut sink).unwrap();
    (clauses, sink.into_sorted())
}

fn errors(source: &str) -> Vec<Diagnostic> {
    let (_, found) = read(source);
    found
        .into_iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .collect()
}

#[test]
fn a_clause_name_without_one_letter_gets_the_right_suggestion() {
    for kind in BlockKind::ALL {
        let Some([head, tail]) = around(kind) else {
            continue;
        };
        for name in schema::block(kind).clauses().iter().map(|clause| clause.name) {
            for at in 0..name.len() {
                let word = format!("{}{}", &name[..at], &name[at + 1..]);
                let found = errors(&format!("{head}{word}\n{tail}"));
                let codes: Vec<Code> = found.iter().map(|d| d.code).collect();
                let want = if kind == BlockKind::File {
                    Code::UnknownSection
                } else {
                    Code::UnknownClause
                };
                assert_eq!(codes, [want], "{word} for {name} in {kind:?}");
                let help = found[0].help.clone().unwrap_or_default();
                let suggested = help.split('`').nth(1).unwrap_or_default();
                let is_as_near = suggested.len() == name.len() && suggested != word;
                assert!(suggested == name || is_as_near, "{word}: {help}, not {name}");
            }
        }
    }
}

#[test]
fn every_clause_without_its_value_is_one_missing_value() {
    for kind in BlockKind::ALL {
        let Some([head, tail]) = around(kind) else {
            continue;
        };
        for clause in schema::block(kind).clauses() {
            let found = errors(&format!("{head}{}\n{tail}", clause.name));
            let codes: Vec<Code> = found.iter().map(|d| d.code).collect();
            let is_optional = matches!(
                clause.args.first(),
                Some(Kind::OptionalDefault | Kind::OptionalFrom)
            );
            let want: &[Code] = match clause.args.first() {
                Some(_) if !is_optional => &[Code::MissingValue],
                Some(_) => &[Code::MissingBlock],
                None if clause.repeats == Repeats::Accumulate => &[Code::MissingBlock],
                None => &[],
            };
            assert_eq!(codes, want, "{} in {kind:?}", clause.name);
        }
    }
}

#[test]
fn keywords_are_names_where_a_name_is_expected() {
    let (clauses, found) = read("Sync { UDP {\nInterface Port\nPort 1\n} }\nGeneral { Family for }");
    assert!(found.iter().all(|d| d.severity != Severity::Error), "{found:?}");
    let link = &clauses[0].clauses[0];
    let args: Vec<&Value> = link
        .clauses
        .iter()
        .flat_map(|clause| &clause.args)
        .map(|(v, _)| v)
        .collect();
    assert_eq!(args, [&Value::Text("Port".to_owned()), &Value::Number(1)]);
}

#[test]
fn an_interface_may_hold_what_separates_elsewhere() {
    let (_, found) = read("Sync { UDP {\nInterface a=b;c,d\n} }");
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn reading_goes_on_behind_a_clause_of_the_same_line() {
    let (clauses, found) = read("General { HashSize x HashLimit 2 Nonsense 3 UNIX { Path /x } LogFile on }");
    let codes: Vec<Code> = found.iter().map(|d| d.code).collect();
    assert_eq!(codes, [Code::BadNumber, Code::UnexpectedToken]);
    let names: Vec<&str> = clauses[0].clauses.iter().map(|clause| clause.name).collect();
    assert_eq!(names, ["HashSize", "HashLimit", "UNIX", "LogFile"]);
}

#[test]
fn states_without_an_end_do_not_swallow_the_next_clause() {
    let found = errors("Sync { Replicate ESTABLISHED\nMode FTFW { }\nUDP { } }");
    let codes: Vec<Code> = found.iter().map(|d| d.code).collect();
    assert_eq!(codes, [Code::MissingValue]);
}
