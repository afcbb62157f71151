//! The program and a strict grammar of the language agree on what is well formed.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use conf_grammar::{Code, Severity, parse};
use pest::Parser as _;
use proptest::prelude::*;

use grammar::{Language, Rule};

mod grammar {
    /// The strict grammar.
    #[derive(pest_derive::Parser)]
    #[grammar = "../tests/language.pest"]
    pub(super) struct Language;
}

static SAMPLES: LazyLock<Vec<Vec<String>>> = LazyLock::new(samples);

/// A value of the right form that is wrong in itself. What follows it on its line is not judged.
const VALUE: [Code; 4] = [
    Code::NumberRange,
    Code::PathTooLong,
    Code::FamilyMismatch,
    Code::UnknownProtocol,
];

/// Errors of meaning: the file is well formed all the same.
const MEANING: [Code; 18] = [
    Code::NotMulticast,
    Code::NotUnicast,
    Code::UnknownPolicy,
    Code::UnknownHelper,
    Code::BadL3proto,
    Code::BadL4proto,
    Code::SyncAndStats,
    Code::MixedTransports,
    Code::TooManyLinks,
    Code::NoLink,
    Code::LinkIncomplete,
    Code::ManyModes,
    Code::ManyDefaults,
    Code::DuplicateLink,
    Code::Contradiction,
    Code::EmptyPolicy,
    Code::QueueClash,
    Code::KernelFilterFull,
];

/// The words of the valid samples, without comments, each with the blank that the grammar wants.
fn samples() -> Vec<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .expect("the samples are there")
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("valid-"))
        })
        .collect();
    paths.sort();
    paths
        .iter()
        .map(|path| words(&fs::read_to_string(path).expect("valid samples are text")))
        .collect()
}

fn words(text: &str) -> Vec<String> {
    let without_comments = text
        .trim_start_matches('\u{FEFF}')
        .lines()
        .map(|line| line.split_once('#').map_or(line, |(before, _)| before))
        .fold(String::new(), |text, line| text + line + "\n");
    let spaced = without_comments.replace('{', " { ").replace('}', " } ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

fn is_well_formed(words: &[String]) -> bool {
    let text: String = words.iter().flat_map(|word| [word.as_str(), " "]).collect();
    Language::parse(Rule::file, &text).is_ok()
}

/// What the program has against the form of a file, and against single values.
fn complaints(words: &[String]) -> Vec<Code> {
    let outcome = parse("x", words.join(" ").as_bytes());
    let errors = outcome
        .diagnostics
        .into_iter()
        .filter(|d| d.severity == Severity::Error);
    errors
        .map(|error| error.code)
        .filter(|code| !MEANING.contains(code))
        .collect()
}

fn agree(words: &[String]) -> Result<(), TestCaseError> {
    let found = complaints(words);
    if is_well_formed(words) {
        prop_assert!(
            found.iter().all(|code| VALUE.contains(code)),
            "{:?}\n{}",
            found,
            words.join(" ")
        );
    } else {
        prop_assert!(
            !found.is_empty(),
            "malformed, but no complaint\n{}",
            words.join(" ")
        );
    }
    Ok(())
}

#[test]
fn every_valid_sample_is_well_formed() {
    for words in SAMPLES.iter() {
        assert!(is_well_formed(words), "{}", words.join(" "));
        assert!(complaints(words).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn both_judge_a_changed_sample_alike(
        sample in any::<prop::sample::Index>(),
        donor in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        from in any::<prop::sample::Index>(),
        change in 0..4,
    ) {
        let mut words = sample.get(&SAMPLES).clone();
        let other = donor.get(&SAMPLES);
        let word = from.get(other).clone();
        let at = at.index(words.len());
        match change {
            0 => drop(words.remove(at)),
            1 => words.insert(at, word),
            2 => words[at] = word,
            _ => {
                let with = from.index(words.len());
                words.swap(at, with);
            }
        }
        agree(&words)?;
    }

    #[test]
    fn both_judge_a_joined_sample_alike(
        head in any::<prop::sample::Index>(),
        tail in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        resume in any::<prop::sample::Index>(),
    ) {
        let (head, tail) = (head.get(&SAMPLES), tail.get(&SAMPLES));
        let mut words = head[..cut.index(head.len())].to_vec();
        words.extend_from_slice(&tail[resume.index(tail.len())..]);
        agree(&words)?;
    }
}
