//! The page as Markdown.

use std::fmt::Write;

use super::{Part, Run, runs};

const HEAD: &str =
    "<!-- Made from conf-grammar/src/schema; UPDATE=1 cargo test -p conf-grammar --test reference -->

# conntrackd.conf

";

pub(super) fn print(parts: &[Part]) -> String {
    let mut page = HEAD.to_owned();
    let mut is_listed = false;
    for part in parts {
        if matches!(part, Part::Chapter(_)) && !is_listed {
            is_listed = true;
            contents(parts, &mut page);
        }
        print_part(part, &mut page);
    }
    page.truncate(page.trim_end().len());
    page.push('\n');
    page
}

/// The list of chapters and headings, each with a link.
fn contents(parts: &[Part], page: &mut String) {
    for part in parts {
        let (indent, title) = match part {
            Part::Chapter(title) => ("", title),
            Part::Heading(title) => ("  ", title),
            Part::Text(_) | Part::Entry { .. } | Part::Table { .. } | Part::Example(_) => continue,
        };
        put(page, format_args!("{indent}- [{title}](#{})\n", anchor(title)));
    }
    page.push('\n');
}

/// What the forges make of a heading: small letters and digits, hyphens for blanks.
fn anchor(title: &str) -> String {
    let kept = title
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() })
        .collect()
}

fn print_part(part: &Part, page: &mut String) {
    match part {
        Part::Chapter(title) => put(page, format_args!("## {title}\n\n")),
        Part::Heading(title) => put(page, format_args!("### {title}\n\n")),
        Part::Text(text) => put(page, format_args!("{text}\n\n")),
        Part::Entry { term, texts } if !term.contains('`') => {
            put(page, format_args!("**{term}.** {}\n\n", texts.join(" ")));
        }
        Part::Entry { term, texts } => {
            put(page, format_args!("- {}\n", strong(term)));
            for text in texts {
                put(page, format_args!("\n  {text}\n"));
            }
            page.push('\n');
        }
        Part::Table { head, rows } => {
            let [left, right] = head;
            put(page, format_args!("| {left} | {right} |\n|---|---|\n"));
            for [left, right] in rows {
                put(page, format_args!("| {left} | {right} |\n"));
            }
            page.push('\n');
        }
        Part::Example(text) => put(page, format_args!("```text\n{text}```\n\n")),
    }
}

/// Sets the first literal of a term apart: the name of the clause.
fn strong(term: &str) -> String {
    match runs(term).first() {
        Some(Run::Literal(name)) => term.replacen(&format!("`{name}`"), &format!("**`{name}`**"), 1),
        Some(Run::Plain(_) | Run::Variable(_)) | None => term.to_owned(),
    }
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string does not fail.
    let _ = page.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_those_of_the_forges() {
        assert_eq!(anchor("Section `General`"), "section-general");
        assert_eq!(anchor("`Mode FTFW`"), "mode-ftfw");
    }
}
