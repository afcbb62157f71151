//! What people are told about the language, made from the table that the parser reads.
//!
//! `page` walks the table and puts the page together, with what `prose` says and no table can. `markdown` and `roff` print it as the reference page and as the manual page;
//! `compat` makes a row of every clause for the list of differences from the stock daemon.

mod compat;
mod facts;
mod markdown;
mod page;
mod prose;
mod roff;

/// Returns the reference page, `docs/conntrackd.conf.md`.
pub fn markdown() -> String {
    markdown::print(&page::parts())
}

/// Returns the manual page conntrackd.conf(5), for `man`.
pub fn man() -> String {
    roff::print(&page::parts())
}

/// Returns a Markdown table with a row for every clause of every block, old ones too: how it stands to
/// the stock daemon.
pub fn compat_rows() -> String {
    compat::rows()
}

/// Returns the clauses that the pages call "not yet", in the words of [`crate::clauses`]: those that
/// the daemon refuses at start in this version.
pub fn not_yet() -> impl Iterator<Item = (&'static str, &'static str)> {
    compat::not_yet()
}

/// Returns the complete configurations that the page shows, each with its title.
pub fn examples() -> impl Iterator<Item = (&'static str, &'static str)> {
    prose::EXAMPLES
        .iter()
        .map(|example| (example.title, example.text))
}

/// What is outside of every block.
const TOP_LEVEL: &str = "top level";

/// A piece of the page. In its texts `` `this` `` is literal, and `*this*` stands for something.
enum Part {
    Chapter(String),
    Heading(String),
    Text(String),
    /// A clause and what there is to say of it.
    Entry {
        term: String,
        texts: Vec<String>,
    },
    Table {
        head: [&'static str; 2],
        rows: Vec<[String; 2]>,
    },
    Example(&'static str),
}

/// A run of characters of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run<'t> {
    Plain(&'t str),
    Literal(&'t str),
    Variable(&'t str),
}

/// Splits a text into its runs.
fn runs(text: &str) -> Vec<Run<'_>> {
    let mut runs = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*']) {
        let (plain, marked) = rest.split_at(at);
        if !plain.is_empty() {
            runs.push(Run::Plain(plain));
        }
        let (mark, inner) = marked.split_at(1);
        let (inner, after) = inner.split_once(mark).unwrap_or((inner, ""));
        runs.push(if mark == "`" {
            Run::Literal(inner)
        } else {
            Run::Variable(inner)
        });
        rest = after;
    }
    if !rest.is_empty() {
        runs.push(Run::Plain(rest));
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{self, BlockKind, block};

    #[test]
    fn every_clause_is_on_every_page() {
        let (page, man, rows) = (markdown(), man(), compat_rows());
        for block in BlockKind::ALL.map(block) {
            for name in block.clauses().iter().map(|clause| clause.name) {
                assert!(page.contains(&format!("`{name}`")), "{name}");
                assert!(man.contains(&format!(r"\fB{name}\fR")), "{name}");
                let home = if block.title == "the file" {
                    TOP_LEVEL
                } else {
                    block.title
                };
                let n_rows = rows.matches(&format!("| {home} | `{name}` |")).count();
                assert_eq!(n_rows, 1, "{name} in {home}");
            }
        }
    }

    #[test]
    fn limits_are_told_as_they_are() {
        let page = markdown();
        let n_entries = schema::KERNEL_ENTRIES_MAX;
        let told = [
            format!("at most {n_entries} IPv4 and {n_entries} IPv6 entries"),
            format!("The links are of one kind, at most {}", schema::LINKS_MAX),
            format!("An interface has 1 to {} bytes", schema::INTERFACE_MAX),
            format!("{} bytes at most", schema::NAME_MAX),
        ];
        for sentence in told {
            assert!(page.contains(&sentence), "{sentence}");
        }
    }

    #[test]
    fn a_text_splits_into_plain_literal_and_variable_runs() {
        let got = runs("`Type` *helper* `{ ... }`, and more");
        let want = [
            Run::Literal("Type"),
            Run::Plain(" "),
            Run::Variable("helper"),
            Run::Plain(" "),
            Run::Literal("{ ... }"),
            Run::Plain(", and more"),
        ];
        assert_eq!(got, want);
    }
}
