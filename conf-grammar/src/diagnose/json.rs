//! Diagnostics as JSON Lines, for editors and scripts.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Diagnostic;
use crate::parse::text::{Places, Text};
use crate::span::{Location, Span};

/// Renders diagnostics for programs: one JSON object a line, in the given order.
///
/// Every object has the same fields: `severity`, `code`, `file`, `line`, `column`, `end_line`,
/// `end_column`, `byte`, `len`, `message`, `help` (null if there is none) and `related`, a list of
/// `line`, `column`, `end_line`, `end_column`, `byte`, `len` and `message`. Lines and columns begin at 1
/// and columns count Unicode scalar values; the end is the place behind the last character. `byte` and
/// `len` count bytes from the start of the file.
///
/// `source` is the file that the diagnostics are about.
pub fn render_json(diagnostics: &[Diagnostic], file_name: &str, source: &[u8]) -> String {
    let text = Text::decode(source);
    let ends = Ends::of(diagnostics, &text.text);
    let mut out = String::new();
    for diagnostic in diagnostics {
        let line = serde_json::to_string(&Finding {
            severity: diagnostic.severity.as_str(),
            code: diagnostic.code.as_str(),
            file: file_name,
            place: ends.place(diagnostic.span),
            message: &diagnostic.message,
            help: diagnostic.help.as_deref(),
            related: diagnostic
                .related
                .iter()
                .map(|related| RelatedPlace {
                    place: ends.place(related.span),
                    message: &related.message,
                })
                .collect(),
        });
        out.push_str(&line.expect("texts and numbers have a JSON form"));
        out.push('\n');
    }
    out
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: &'static str,
    code: &'static str,
    file: &'a str,
    #[serde(flatten)]
    place: Place,
    message: &'a str,
    help: Option<&'a str>,
    related: Vec<RelatedPlace<'a>>,
}

#[derive(Serialize)]
struct RelatedPlace<'a> {
    #[serde(flatten)]
    place: Place,
    message: &'a str,
}

#[derive(Serialize)]
struct Place {
    line: u32,
    column: u32,
    end_line: u32,
    end_column: u32,
    byte: usize,
    len: usize,
}

/// Line and column of the end of every span: a span itself only knows those of its start.
struct Ends(BTreeMap<usize, Location>);

impl Ends {
    /// Finds all ends in one pass over the text.
    fn of(diagnostics: &[Diagnostic], text: &str) -> Self {
        let spans = diagnostics
            .iter()
            .flat_map(|d| d.related.iter().map(|related| related.span).chain([d.span]));
        let mut ends: BTreeMap<usize, Location> = spans.map(|span| (span.end, Location::START)).collect();
        let mut places = Places::new(text);
        for (end, location) in &mut ends {
            *location = places.span(*end, *end).location;
        }
        Self(ends)
    }

    fn place(&self, span: Span) -> Place {
        let Location { line, column } = span.location;
        // An empty range ends where it begins, also one of a line that stands in no file.
        let end = self.0.get(&span.end).filter(|_| span.start < span.end);
        let end = end.copied().unwrap_or(span.location);
        Place {
            line,
            column,
            end_line: end.line,
            end_column: end.column,
            byte: span.start,
            len: span.end.saturating_sub(span.start),
        }
    }
}
