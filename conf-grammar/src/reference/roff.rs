//! The page as man(7) macros.

use std::fmt::Write;

use super::{Part, Run, runs};

/// Longest line of text that the writer makes, unless a word is longer.
const LINE_LEN_MAX: usize = 79;

const HEAD: &str = r#".\" Made from conf-grammar/src/schema; do not edit:
.\" UPDATE=1 cargo test -p conf-grammar --test reference
.TH CONNTRACKD.CONF 5 "" Flowtwin "File formats"
.SH NAME
conntrackd.conf \- configuration of conntrackd
.SH DESCRIPTION
"#;

const TAIL: &str = r".SH SEE ALSO
.BR conntrackd (8),
.BR conntrack (8),
.BR sched (7)
";

pub(super) fn print(parts: &[Part]) -> String {
    let mut page = HEAD.to_owned();
    // The macros of headings begin a paragraph of their own.
    let mut follows_heading = true;
    for part in parts {
        print_part(part, follows_heading, &mut page);
        follows_heading = matches!(part, Part::Chapter(_) | Part::Heading(_));
    }
    page.push_str(TAIL);
    page
}

fn print_part(part: &Part, follows_heading: bool, page: &mut String) {
    match part {
        Part::Chapter(title) => {
            let title = title.replace('`', "").to_uppercase();
            put(page, format_args!(".SH {}\n", escape(&title)));
        }
        Part::Heading(title) => put(page, format_args!(".SS {}\n", escape(&title.replace('`', "")))),
        Part::Text(text) => {
            if !follows_heading {
                page.push_str(".PP\n");
            }
            fill(text, page);
        }
        Part::Entry { term, texts } => {
            tag(term, page);
            for (n, text) in texts.iter().enumerate() {
                if n > 0 {
                    page.push_str(".IP\n");
                }
                fill(text, page);
            }
        }
        Part::Table { head: _, rows } => {
            for [left, right] in rows {
                tag(left, page);
                fill(right, page);
            }
        }
        Part::Example(text) => {
            page.push_str(".PP\n.EX\n");
            for line in text.lines() {
                page.push_str(&protected(escape(line)));
                page.push('\n');
            }
            page.push_str(".EE\n");
        }
    }
}

/// Begins an entry of a list.
fn tag(term: &str, page: &mut String) {
    put(page, format_args!(".TP\n{}\n", protected(inline(term))));
}

/// Writes a text in lines of a bounded length.
fn fill(text: &str, page: &mut String) {
    let mut line = String::new();
    for word in inline(text).split(' ') {
        if !line.is_empty() && line.len().saturating_add(word.len()) >= LINE_LEN_MAX {
            page.push_str(&protected(std::mem::take(&mut line)));
            page.push('\n');
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    page.push_str(&protected(line));
    page.push('\n');
}

/// Literals are bold, variables are italic.
fn inline(text: &str) -> String {
    let font = |run: Run<'_>| match run {
        Run::Plain(text) => escape(text),
        Run::Literal(text) => format!(r"\fB{}\fR", escape(text)),
        Run::Variable(text) => format!(r"\fI{}\fR", escape(text)),
    };
    runs(text).into_iter().map(font).collect()
}

/// Has every character stand for itself: `-` would be a hyphen, `'` and `` ` `` quotes.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' => escaped.push_str(r"\e"),
            '-' => escaped.push_str(r"\-"),
            '\'' => escaped.push_str(r"\(aq"),
            '`' => escaped.push_str(r"\(ga"),
            '^' => escaped.push_str(r"\(ha"),
            '~' => escaped.push_str(r"\(ti"),
            '"' => escaped.push_str(r"\(dq"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Keeps a line of text from being a request.
fn protected(line: String) -> String {
    if line.starts_with(['.', '\'']) {
        format!(r"\&{line}")
    } else {
        line
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
    fn characters_stand_for_themselves() {
        assert_eq!(
            inline(r"nice value -10, `a\b`, *x*'s"),
            r"nice value \-10, \fBa\eb\fR, \fIx\fR\(aqs"
        );
        assert_eq!(protected(escape(".conf")), r"\&.conf");
    }

    #[test]
    fn long_texts_break_into_lines_that_are_no_requests() {
        let mut page = String::new();
        fill(&"word .word ".repeat(30), &mut page);
        assert!(page.lines().count() > 3);
        for line in page.lines() {
            assert!(line.len() <= LINE_LEN_MAX + 2 && !line.starts_with('.'), "{line}");
        }
    }
}
