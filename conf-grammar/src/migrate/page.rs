//! The text of a file as lines, words and comments.

use std::ops::Range;

use crate::diagnose::Diagnostic;
use crate::parse::Clause;
use crate::parse::lexer::{self, Token, TokenKind};
use crate::parse::text::Text;

/// A file without errors, for someone who wants to change it here and there.
pub(super) struct Page<'a> {
    /// The text as the parser sees it, with the offsets of the file.
    pub(super) text: &'a str,
    tokens: Vec<Token<'a>>,
    comments: Vec<Range<usize>>,
    lines: Vec<Line>,
    /// How the file ends its lines.
    pub(super) line_end: &'static str,
    /// What the file indents a block with.
    unit: &'a str,
}

/// A line of the file.
pub(super) struct Line {
    pub(super) start: usize,
    /// Where its text ends.
    pub(super) end: usize,
    /// Where the next line starts.
    pub(super) next: usize,
}

impl<'a> Page<'a> {
    /// Takes the text apart.
    ///
    /// # Errors
    /// Those of the lexer, which takes any text.
    pub(super) fn new(text: &'a Text<'_>) -> Result<Self, Diagnostic> {
        let tokens = lexer::tokens(text)?;
        let has_cr_line_ends = text.has_cr_line_ends;
        let text = text.text.as_ref();
        let lines = lines(text);
        let ends_with_crlf = || {
            lines
                .first()
                .is_some_and(|line| text[line.end..line.next] == *"\r\n")
        };
        let line_end = match has_cr_line_ends {
            true => "\r",
            false if ends_with_crlf() => "\r\n",
            false => "\n",
        };
        let mut page = Self {
            text,
            comments: comments(text, &tokens),
            tokens,
            lines,
            line_end,
            unit: "\t",
        };
        let indents = page.lines.iter().map(|line| page.indent(line.start));
        if let Some(indent) = indents.clone().find(|indent| !indent.is_empty()) {
            page.unit = indent;
        }
        Ok(page)
    }

    /// The lines of the file, one at least.
    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The index of the line that holds the byte at `offset`.
    pub(super) fn line_index(&self, offset: usize) -> usize {
        self.lines
            .partition_point(|line| line.start <= offset)
            .saturating_sub(1)
    }

    fn line_at(&self, offset: usize) -> &Line {
        &self.lines[self.line_index(offset)]
    }

    /// The blanks that begin the line of `offset`.
    pub(super) fn indent(&self, offset: usize) -> &'a str {
        let line = self.line_at(offset);
        let text = &self.text[line.start..line.end];
        &text[..text.len() - text.trim_start_matches(is_blank).len()]
    }

    /// The indentation of a block in a line that is indented so.
    pub(super) fn deeper(&self, indent: &str) -> String {
        format!("{indent}{}", self.unit)
    }

    /// Whether only blanks stand before `offset` on its line.
    pub(super) fn is_first_on_line(&self, offset: usize) -> bool {
        self.line_at(offset).start + self.indent(offset).len() == offset
    }

    /// The comments that begin inside the range.
    pub(super) fn comments_in(&self, range: &Range<usize>) -> &[Range<usize>] {
        let from = self
            .comments
            .partition_point(|comment| comment.start < range.start);
        let to = self.comments.partition_point(|comment| comment.start < range.end);
        &self.comments[from..to.max(from)]
    }

    /// Whether the file has exactly this comment.
    pub(super) fn has_comment(&self, comment: &str) -> bool {
        self.comments
            .iter()
            .any(|range| self.text[range.clone()].trim() == comment)
    }

    /// The words in the range, with one blank between two of them.
    pub(super) fn words(&self, range: &Range<usize>) -> String {
        let tokens = self.tokens_from(range.start).iter();
        let words: Vec<&str> = tokens
            .take_while(|token| token.span.start < range.end)
            .map(|token| token.text)
            .collect();
        words.join(" ")
    }

    /// The range of the block behind a clause, with its braces.
    pub(super) fn block(&self, clause: &Clause) -> Range<usize> {
        let mut tokens = self.tokens_from(clause.head.end).iter();
        let open = tokens.find(|token| token.kind == TokenKind::Open);
        open.map_or(clause.whole.end, |token| token.span.start)..clause.whole.end
    }

    fn tokens_from(&self, offset: usize) -> &[Token<'a>] {
        &self.tokens[self.tokens.partition_point(|token| token.span.start < offset)..]
    }
}

/// Whether the character separates words and ends nothing.
pub(super) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\r')
}

fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let next = start + line.len();
        let bare = line.strip_suffix('\n').unwrap_or(line);
        let bare = bare
            .strip_suffix('\r')
            .filter(|_| bare.len() < line.len())
            .unwrap_or(bare);
        let end = start + bare.len();
        lines.push(Line { start, end, next });
        start = next;
    }
    if lines.is_empty() {
        let (start, end, next) = (0, 0, 0);
        lines.push(Line { start, end, next });
    }
    lines
}

/// Finds the comments: between two tokens nothing but blanks and comments can stand.
fn comments(text: &str, tokens: &[Token<'_>]) -> Vec<Range<usize>> {
    let mut comments = Vec::new();
    let starts = std::iter::once(0).chain(tokens.iter().map(|token| token.span.end));
    let ends = tokens.iter().map(|token| token.span.start).chain([text.len()]);
    for (mut at, end) in starts.zip(ends) {
        while let Some(offset) = text[at..end].find('#') {
            let start = at + offset;
            at = text[start..end].find('\n').map_or(end, |len| start + len);
            comments.push(start..at);
        }
    }
    comments
}
