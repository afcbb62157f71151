//! A line as words: pairs, marks in brackets, and the rest.

use super::error::{FlowLineError, FlowLineErrorKind, Word};

/// One word and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    /// Offset in the line of its first byte.
    pub(super) offset: usize,
    /// All of it.
    pub(super) text: &'a str,
    /// What it is.
    pub(super) form: Form<'a>,
}

/// The forms of a word.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form<'a> {
    /// `key=value`.
    Pair(&'a str, &'a str),
    /// `[text]`, which may have blanks.
    Mark(&'a str),
    /// Anything else.
    Bare(&'a str),
}

impl Token<'_> {
    /// Returns the failure to read this word.
    pub(super) fn refused(&self, kind: impl FnOnce(Word) -> FlowLineErrorKind) -> FlowLineError {
        FlowLineError {
            offset: self.offset,
            kind: kind(Word::of(self.text)),
        }
    }
}

/// The words of a line that are left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words<'a> {
    line: &'a str,
    rest: &'a str,
}

impl<'a> Words<'a> {
    pub(super) const fn of(line: &'a str) -> Self {
        Self { line, rest: line }
    }

    /// Returns the failure to find another word where `expected` must be.
    pub(super) const fn ended(&self, expected: &'static str) -> FlowLineError {
        FlowLineError {
            offset: self.line.len(),
            kind: FlowLineErrorKind::Ended(expected),
        }
    }

    /// Returns what is left, up to the first tab; all of it if there is none.
    pub(super) fn column(&self) -> &'a str {
        self.rest.split('\t').next().unwrap_or_default()
    }

    /// Takes away what is left, up to the first tab.
    pub(super) fn skip_column(&mut self) {
        self.rest = self.rest.split_once('\t').map_or("", |(_, rest)| rest);
    }

    /// Takes the next word away; `None` at the end of the line.
    pub(super) fn next(&mut self) -> Result<Option<Token<'a>>, FlowLineError> {
        let rest = self.rest.trim_start();
        let offset = self.line.len().saturating_sub(rest.len());
        let is_mark = rest.starts_with('[');
        let end = if is_mark {
            // The bracket belongs to the word.
            rest.find(']').map(|end| end.saturating_add(1))
        } else if rest.starts_with("progname=") {
            // A process may have any name.
            Some(rest.trim_end().len())
        } else if rest.starts_with("labels=") {
            Some(labels_len(rest))
        } else {
            Some(rest.find(char::is_whitespace).unwrap_or(rest.len()))
        };
        let Some((text, rest)) = end.and_then(|end| rest.split_at_checked(end)) else {
            return Err(FlowLineError {
                offset,
                kind: FlowLineErrorKind::OpenBracket(Word::of(rest)),
            });
        };
        self.rest = rest;
        let form = if is_mark {
            Form::Mark(text.get(1..text.len().saturating_sub(1)).unwrap_or_default())
        } else if let Some((key, value)) = text.split_once('=') {
            Form::Pair(key, value)
        } else {
            Form::Bare(text)
        };
        Ok((!text.is_empty()).then_some(Token { offset, text, form }))
    }

    /// Takes the next word away if `wanted` knows it.
    pub(super) fn next_if<T>(
        &mut self,
        wanted: impl FnOnce(&Token<'a>) -> Option<T>,
    ) -> Result<Option<T>, FlowLineError> {
        let before = *self;
        let found = self.next()?.as_ref().and_then(wanted);
        if found.is_none() {
            *self = before;
        }
        Ok(found)
    }
}

/// Returns the length of the labels that `rest` begins with: names of labels may have blanks, but neither
/// `=` nor brackets.
fn labels_len(rest: &str) -> usize {
    let mut blanks = rest.match_indices(char::is_whitespace).map(|(blank, _)| blank);
    let is_other = |blank: &usize| {
        let behind = rest.get(*blank..).unwrap_or_default().trim_start();
        let word = behind.split(char::is_whitespace).next().unwrap_or_default();
        word.is_empty() || word.contains(['=', '['])
    };
    blanks.find(is_other).unwrap_or(rest.len())
}
