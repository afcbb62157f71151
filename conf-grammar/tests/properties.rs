//! What holds for any file.

#[path = "garbage/shapes.rs"]
mod shapes;
mod valid;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use conf_grammar::{Code, Config, Diagnostic, Outcome, Severity, parse, render, render_json};
use proptest::prelude::*;
use valid::Age;

/// Errors that are told of one file, and findings: a note says when there are more errors, or more remarks.
const ERRORS_MAX: usize = 50;
const FINDINGS_MAX: usize = ERRORS_MAX + 200 + 2;
/// Bytes that one finding takes, on an average.
const FINDING_LEN_MAX: usize = 1 << 10;

static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| sample_files(""));

fn sample_files(prefix: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .expect("the samples are there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .map(|path| {
            let name = path
                .file_name()
                .expect("it is a file")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("the sample can be read"))
        })
        .filter(|(name, _)| name.starts_with(prefix))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no sample begins with {prefix}");
    files
}

/// Parses and renders; every span must lie in the file, on character boundaries where it is text.
fn parse_soundly(source: &[u8]) -> Outcome {
    let outcome = parse("any.conf", source);
    assert_eq!(
        outcome.config.is_none(),
        outcome.has_errors(),
        "a configuration comes without errors only"
    );
    let text = std::str::from_utf8(source).ok();
    let line_ends: Vec<usize> = source
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .map(|(at, _)| at)
        .collect();
    for span in outcome
        .diagnostics
        .iter()
        .flat_map(|d| d.related.iter().map(|related| related.span).chain([d.span]))
    {
        assert!(
            span.start <= span.end && span.end <= source.len(),
            "{span:?} of {}",
            source.len()
        );
        assert!(
            text.is_none_or(|text| text.is_char_boundary(span.start) && text.is_char_boundary(span.end)),
            "{span:?}"
        );
        let line = line_ends.partition_point(|end| *end < span.start) + 1;
        assert!(
            line_ends.is_empty() || u32::try_from(line) == Ok(span.location.line),
            "{span:?}: line {line}"
        );
    }
    let shown = render(&outcome.diagnostics, "any.conf", source);
    let is_shown = |c: char| c == '\n' || !c.is_control();
    assert!(shown.chars().all(is_shown), "a terminal would obey {shown:?}");
    let lines = render_json(&outcome.diagnostics, "any.conf", source);
    assert_eq!(lines.lines().count(), outcome.diagnostics.len());
    outcome
}

fn count_errors(outcome: &Outcome) -> usize {
    let is_error = |d: &&Diagnostic| d.severity == Severity::Error;
    outcome.diagnostics.iter().filter(is_error).count()
}

fn n_errors(source: &str) -> usize {
    count_errors(&parse_soundly(source.as_bytes()))
}

fn config(source: &[u8]) -> Config {
    parse_soundly(source).config.expect("the file is valid")
}

#[test]
fn every_prefix_of_a_sample_is_answered() {
    for (_, source) in FILES.iter() {
        for end in 0..source.len().min(1500) {
            parse_soundly(&source[..end]);
        }
    }
}

#[test]
fn every_deleted_byte_of_a_sample_is_answered() {
    for (_, source) in FILES.iter() {
        for at in 0..source.len().min(1500) {
            let mut mutated = source.clone();
            mutated.remove(at);
            parse_soundly(&mutated);
        }
    }
}

#[test]
fn a_megabyte_of_anything_gets_a_bounded_answer() {
    for (name, source) in shapes::all() {
        let outcome = parse_soundly(&source);
        let n_findings = outcome.diagnostics.len();
        let n_errors = count_errors(&outcome);
        assert!(n_findings > 0, "nothing is said about {name}");
        assert!(n_errors <= ERRORS_MAX, "{n_errors} errors in {name}");
        assert!(n_findings <= FINDINGS_MAX, "{n_findings} findings in {name}");
        for answer in [
            render(&outcome.diagnostics, "any.conf", &source),
            render_json(&outcome.diagnostics, "any.conf", &source),
        ] {
            assert!(
                answer.len() <= n_findings * FINDING_LEN_MAX,
                "{} bytes are said about {name}",
                answer.len()
            );
        }
    }
}

#[test]
fn blanks_between_words_do_not_matter() {
    for (name, source) in sample_files("valid") {
        let text = String::from_utf8(source)
            .expect("valid samples are text")
            .replace('\u{FEFF}', "");
        let without_comments: String = text
            .lines()
            .map(|line| line.split_once('#').map_or(line, |(before, _)| before))
            .fold(String::new(), |text, line| text + line + "\n");
        let words: Vec<String> = without_comments
            .replace('{', " { ")
            .replace('}', " } ")
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let want = config(text.as_bytes());
        for blank in [" ", "\n", "\t\r\n\t", " # a comment {\n"] {
            assert!(
                config(words.join(blank).as_bytes()) == want,
                "{name} with {blank:?}"
            );
        }
    }
}

#[test]
fn the_order_of_sections_does_not_matter() {
    for (name, source) in sample_files("valid") {
        let text = String::from_utf8(source)
            .expect("valid samples are text")
            .replace("\r\n", "\n");
        let text = text.trim_start_matches('\u{FEFF}');
        let mut sections: Vec<&str> = Vec::new();
        let mut rest = text;
        while let Some(end) = rest.find("\n}") {
            let (section, tail) = rest.split_at(end + 2);
            sections.push(section);
            rest = tail;
        }
        // Repeated sections override each other, so their order counts.
        if name.contains("repeated") || sections.len() < 2 {
            continue;
        }
        sections.reverse();
        let reversed = format!("{}\n{rest}\n", sections.join("\n"));
        assert!(config(reversed.as_bytes()) == config(text.as_bytes()), "{name}");
    }
}

/// What is said about a file, but for the bytes it is written in and the places.
fn findings(source: &str) -> Vec<(Severity, Code, String)> {
    let outcome = parse_soundly(source.as_bytes());
    let about_text = |code| matches!(code, Code::BomSkipped | Code::CrLineEnds);
    let findings = outcome.diagnostics.into_iter().filter(|d| !about_text(d.code));
    let mut findings: Vec<_> = findings.map(|d| (d.severity, d.code, d.message)).collect();
    findings.sort();
    findings
}

const FAULTY_LINES: [&str; 14] = [
    "HashSzie 1",
    "HashSize -1",
    "HashSize",
    "HashLimit 1 2",
    "LogFile x.log",
    "LockFile \"/x\"",
    "Syslog user",
    "Systemd maybe",
    "Group 3780",
    "UNIX 5",
    "Scheduler { Type x }",
    "Filter From here { }",
    "PollSecs 0",
    "\u{a7}",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(source in proptest::collection::vec(any::<u8>(), 0..400)) {
        parse_soundly(&source);
    }

    #[test]
    fn any_words_are_answered(words in proptest::collection::vec(
        prop_oneof![
            Just("{"), Just("}"), Just("\n"), Just("General"), Just("Sync"), Just("Stats"), Just("Helper"),
            Just("Mode FTFW"), Just("Mode"), Just("UDP"), Just("TCP"), Just("Default"), Just("Port 1"),
            Just("Filter"), Just("From"), Just("Kernelspace"), Just("Address Accept"), Just("State Ignore"),
            Just("SYN_SENT"), Just("for TCP"), Just("IPv4_address 10.0.0.1/8"), Just("IPv6_address ::1"),
            Just("IPv4_Destination_Address 192.0.2.1"), Just("Interface"), Just("eth0"), Just("HashSize 1"),
            Just("Type ftp inet tcp"), Just("Policy ftp"), Just("ExpectationSync"), Just("Options"), Just("on"),
            Just("off"), Just("/path"), Just("#"), Just("\""), Just("="), Just("Replicate"), Just("PollSecs 1"),
        ], 0..60))
    {
        parse_soundly(words.join(" ").as_bytes());
    }

    #[test]
    fn a_mutated_sample_is_answered(
        index in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (_, mut source) = index.get(&FILES).clone();
        let at = at.index(source.len());
        source[at] = byte;
        parse_soundly(&source);
    }

    #[test]
    fn so_many_faulty_lines_get_so_many_errors(picks in proptest::collection::vec(0..FAULTY_LINES.len(), 0..30)) {
        let mut source = "Stats { }\nGeneral {\n\tUNIX { Path /x }\n".to_owned();
        for pick in &picks {
            let _ = write!(source, "\t{}\n\tHashSize 1\n", FAULTY_LINES[*pick]);
        }
        source.push_str("}\n");
        prop_assert_eq!(n_errors(&source), picks.len(), "{}", source);
    }

    #[test]
    fn the_layout_of_a_file_does_not_matter((items, mut tape) in valid::sections(Age::Any)) {
        let one = valid::layout::lay_out(&items, &mut tape);
        let other = valid::layout::lay_out(&items, &mut tape);
        prop_assert!(config(one.as_bytes()) == config(other.as_bytes()), "{}\n---\n{}", one, other);
        prop_assert_eq!(findings(&one), findings(&other), "{}\n---\n{}", one, other);
    }

    #[test]
    fn the_order_of_independent_clauses_does_not_matter(
        (mut items, mut tape) in valid::sections(Age::Modern),
    ) {
        let one = valid::layout::lay_out(&items, &mut tape);
        valid::permute(&mut items, &mut tape);
        let other = valid::layout::lay_out(&items, &mut tape);
        prop_assert!(config(one.as_bytes()) == config(other.as_bytes()), "{}\n---\n{}", one, other);
    }

    #[test]
    fn a_cut_and_changed_file_is_answered(
        source in valid::file(Age::Any),
        cut in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let mut source = source.into_bytes();
        source.truncate(cut.index(source.len() + 1));
        for (at, byte) in changes {
            if !source.is_empty() {
                let at = at.index(source.len());
                source[at] = byte;
            }
        }
        parse_soundly(&source);
    }

    #[test]
    fn so_many_faults_in_a_valid_file_are_so_many_errors(
        (mut items, mut tape) in valid::sections(Age::Any),
        n in 0_usize..10,
    ) {
        valid::spoil(&mut items, n, &mut tape);
        let source = valid::layout::lay_out_in_lines(&items, &mut tape);
        prop_assert_eq!(n_errors(&source), n, "{}", source);
    }
}
