//! Diagnostics as a program reads them.

use conf_grammar::{Diagnostic, Span, parse, render_json};
use serde_json::{Value, json};

const SIX_MISTAKES: &str = include_str!("six-mistakes.conf");

/// Parses a file and returns its diagnostics with the objects they are rendered to.
fn objects(source: &[u8]) -> Vec<(Diagnostic, Value)> {
    let outcome = parse("conntrackd.conf", source);
    let lines = render_json(&outcome.diagnostics, &outcome.file_name, source);
    let objects: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is an object"))
        .collect();
    assert_eq!(objects.len(), outcome.diagnostics.len());
    outcome.diagnostics.into_iter().zip(objects).collect()
}

/// The fields of a place, counted from the bytes alone.
fn place(source: &[u8], span: Span) -> [(&'static str, Value); 6] {
    let count = |end: usize| {
        let before = String::from_utf8_lossy(&source[..end]).into_owned();
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        (line, column)
    };
    let (start, end) = (count(span.start), count(span.end));
    [
        ("line", json!(start.0)),
        ("column", json!(start.1)),
        ("end_line", json!(end.0)),
        ("end_column", json!(end.1)),
        ("byte", json!(span.start)),
        ("len", json!(span.end - span.start)),
    ]
}

fn object(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Value {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[test]
fn every_line_is_one_object_that_says_what_the_diagnostic_says() {
    let source = format!("# \u{e9}\n{SIX_MISTAKES}Sync {{ Mode ALARM {{ }} /* \u{1F600} }}\n");
    let found = objects(source.as_bytes());
    assert!(found.iter().any(|(diagnostic, _)| !diagnostic.related.is_empty()));
    for (diagnostic, got) in found {
        let related: Vec<Value> = diagnostic
            .related
            .iter()
            .map(|related| {
                let message = ("message", json!(related.message));
                object(
                    place(source.as_bytes(), related.span)
                        .into_iter()
                        .chain([message]),
                )
            })
            .collect();
        let rest = [
            ("severity", json!(diagnostic.severity.to_string())),
            ("code", json!(diagnostic.code.to_string())),
            ("file", json!("conntrackd.conf")),
            ("message", json!(diagnostic.message)),
            ("help", json!(diagnostic.help)),
            ("related", json!(related)),
        ];
        let want = object(place(source.as_bytes(), diagnostic.span).into_iter().chain(rest));
        assert_eq!(got, want);
    }
}

#[test]
fn columns_count_characters_and_bytes_count_bytes() {
    let found = objects("Stats { }\n\t\u{20ac}\u{20ac} x\n".as_bytes());
    let (_, stray) = found
        .iter()
        .find(|(diagnostic, _)| diagnostic.code.as_str() == "unexpected-character")
        .expect("there is no such character in the language");
    let fields = ["line", "column", "end_line", "end_column", "byte", "len"].map(|name| stray[name].clone());
    assert_eq!(json!(fields), json!([2, 2, 2, 4, 11, 6]));
}

#[test]
fn a_file_without_findings_has_no_lines() {
    assert_eq!(render_json(&[], "conntrackd.conf", b"Stats { }"), "");
}

#[test]
fn control_characters_and_quotes_stay_inside_their_strings() {
    let found = objects(b"Stats { LogFile \"a\x1b[31m\\\n}\n");
    let messages: Vec<&str> = found
        .iter()
        .filter_map(|(_, object)| object["message"].as_str())
        .collect();
    assert!(
        messages.contains(&"unexpected `\"` in `\"a\\u{1b}[31m\\`"),
        "{messages:?}"
    );
}

#[test]
fn six_mistakes_get_six_lines() {
    let outcome = parse("conntrackd.conf", SIX_MISTAKES.as_bytes());
    insta::assert_snapshot!(render_json(
        &outcome.diagnostics,
        &outcome.file_name,
        SIX_MISTAKES.as_bytes()
    ));
}
