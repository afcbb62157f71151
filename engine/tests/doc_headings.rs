//! Comments name headings of our documents; a heading that is renamed must not leave them behind.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the Rust sources below `dir`.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                Vec::from_iter(path.extension().is_some_and(|ext| ext == "rs").then_some(path))
            }
        })
        .collect()
}

/// Returns the documents and headings that the comments of `source` name.
fn references(source: &str) -> Vec<(String, String)> {
    let comment_text = |line: &str| line.trim_start().trim_start_matches(['/', '!']).trim().to_owned();
    let text = source.lines().map(comment_text).collect::<Vec<_>>().join(" ");
    let named = text.split("docs/").skip(1).filter_map(|rest| {
        let (document, rest) = rest.split_once(".md")?;
        let (heading, _) = rest.strip_prefix(", \"")?.split_once('"')?;
        Some((format!("{document}.md"), heading.to_owned()))
    });
    named.collect()
}

#[test]
fn every_heading_that_a_comment_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut named = BTreeSet::new();
    for room in ["engine/src", "io/src", "bins"] {
        for path in sources(&root.join(room)) {
            named.extend(references(&fs::read_to_string(path).unwrap()));
        }
    }
    assert!(named.len() > 5, "only {named:?} found");
    for (document, heading) in named {
        let text = fs::read_to_string(root.join("docs").join(&document)).unwrap_or_default();
        let mut headings = text.lines().filter_map(|line| line.split_once("# "));
        assert!(
            headings.any(|(_, title)| title == heading),
            "docs/{document} has no heading \"{heading}\""
        );
    }
}
