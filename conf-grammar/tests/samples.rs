//! Every sample file gives the verdict, the codes and the lines of `samples/expected.tsv`.

use std::fs;
use std::path::{Path, PathBuf};

use conf_grammar::{Outcome, Severity, parse};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples")
}

fn parse_sample(name: &str) -> Outcome {
    parse(
        name,
        &fs::read(samples().join(name)).expect("the sample is there"),
    )
}

fn codes(outcome: &Outcome, severity: Severity) -> String {
    let codes: Vec<String> = outcome
        .diagnostics
        .iter()
        .filter(|d| d.severity == severity && !d.code.is_safety())
        .map(|d| format!("{}@{}", d.code, d.span.location.line))
        .collect();
    if codes.is_empty() {
        "-".to_owned()
    } else {
        codes.join(",")
    }
}

/// The columns of the table that speak of this program; they leave out what is said about safety.
fn verdict(outcome: &Outcome) -> (&'static str, String) {
    if outcome.has_errors() {
        return ("refuse", codes(outcome, Severity::Error));
    }
    let warnings = codes(outcome, Severity::Warning);
    (
        if warnings == "-" {
            "accept"
        } else {
            "accept-with-warning"
        },
        warnings,
    )
}

#[test]
fn every_sample_meets_its_line_of_the_table() {
    let table = fs::read_to_string(samples().join("expected.tsv")).unwrap();
    let mut wrong = Vec::new();
    let mut n_lines = 0;
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (name, want) = (columns[0], (columns[1], columns[2]));
        let outcome = parse_sample(name);
        let (got_verdict, got_codes) = verdict(&outcome);
        if (got_verdict, got_codes.as_str()) != want {
            wrong.push(format!(
                "{name}: got {got_verdict} {got_codes}, want {} {}",
                want.0, want.1
            ));
        }
        n_lines += 1;
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(n_lines, 46 + 97);
}

#[test]
fn a_configuration_comes_with_every_valid_sample_and_with_no_invalid_one() {
    let mut n_files = 0;
    for entry in fs::read_dir(samples()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".conf") {
            assert_eq!(
                parse_sample(&name).config.is_some(),
                name.starts_with("valid"),
                "{name}"
            );
            n_files += 1;
        }
    }
    assert_eq!(n_files, 46 + 97);
}
