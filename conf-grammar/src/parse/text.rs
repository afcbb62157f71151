//! Bytes to text, without moving a byte.

use std::borrow::Cow;

use crate::diagnose::{Code, Diagnostic, ERRORS_MAX};
use crate::span::{Location, Span};

/// Stands for each byte that is not part of UTF-8, so that all offsets stay those of the file.
const SUBSTITUTE: u8 = 0x1A;

/// The text of a file, with the offsets of the file.
pub(crate) struct Text<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Ranges of bytes that were not UTF-8, in order.
    pub(crate) invalid: Vec<(usize, usize)>,
    /// The file ends its lines with CR alone.
    pub(crate) has_cr_line_ends: bool,
}

impl<'a> Text<'a> {
    /// Reads `source` as UTF-8; each invalid byte and each lone CR of a CR-only file is replaced by
    /// one other byte.
    pub(crate) fn decode(source: &'a [u8]) -> Self {
        let has_cr_line_ends = source.contains(&b'\r') && !source.contains(&b'\n');
        let mut invalid: Vec<(usize, usize)> = Vec::new();
        if !has_cr_line_ends && let Ok(text) = std::str::from_utf8(source) {
            return Self {
                text: Cow::Borrowed(text),
                invalid,
                has_cr_line_ends,
            };
        }
        let mut text = String::with_capacity(source.len());
        for chunk in source.utf8_chunks() {
            if has_cr_line_ends {
                text.push_str(&chunk.valid().replace('\r', "\n"));
            } else {
                text.push_str(chunk.valid());
            }
            if !chunk.invalid().is_empty() {
                let start = text.len();
                text.extend(chunk.invalid().iter().map(|_| char::from(SUBSTITUTE)));
                match invalid.last_mut() {
                    Some((_, end)) if *end == start => *end = text.len(),
                    Some(_) | None => invalid.push((start, text.len())),
                }
            }
        }
        Self {
            text: Cow::Owned(text),
            invalid,
            has_cr_line_ends,
        }
    }

    /// Whether the byte at `offset` was not UTF-8.
    pub(crate) fn is_invalid(&self, offset: usize) -> bool {
        let next = self.invalid.partition_point(|&(start, _)| start <= offset);
        next.checked_sub(1)
            .and_then(|i| self.invalid.get(i))
            .is_some_and(|&(_, end)| offset < end)
    }

    /// Returns what is wrong with the bytes themselves.
    pub(crate) fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        if self.text.starts_with('\u{FEFF}') {
            let message = "the file begins with a byte order mark, which is skipped";
            found.push(Diagnostic::warning(Code::BomSkipped, Span::START, message));
        }
        if self.has_cr_line_ends {
            let message = "the lines of this file end with CR alone";
            found.push(Diagnostic::warning(Code::CrLineEnds, Span::START, message));
        }
        let mut places = Places::new(&self.text);
        // One more than are shown tells that there are more.
        for &(start, end) in self.invalid.iter().take(ERRORS_MAX + 1) {
            let span = places.span(start, end);
            let message = format!("the file is not UTF-8 at byte {start}");
            found.push(Diagnostic::error(Code::BadEncoding, span, message));
        }
        found
    }
}

/// Turns offsets into line and column; the offsets must not go backwards.
pub(crate) struct Places<'a> {
    text: &'a str,
    offset: usize,
    location: Location,
}

impl<'a> Places<'a> {
    /// Starts at the first byte of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            offset: 0,
            location: Location::START,
        }
    }

    /// Returns the span of `start..end`; `start` is at or behind that of the call before.
    pub(crate) fn span(&mut self, start: usize, end: usize) -> Span {
        for character in self.text.get(self.offset..start).unwrap_or_default().chars() {
            match character {
                '\n' => {
                    self.location.line = self.location.line.saturating_add(1);
                    self.location.column = 1;
                }
                '\u{FEFF}' => {}
                _ => self.location.column = self.location.column.saturating_add(1),
            }
        }
        self.offset = start;
        Span {
            start,
            end,
            location: self.location,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_keeps_every_offset_of_the_file() {
        let text = Text::decode(b"a\xffb\xc3\xa9\xc3");
        assert_eq!(text.text, "a\u{1a}b\u{e9}\u{1a}");
        assert_eq!(text.invalid, [(1, 2), (5, 6)]);
        assert_eq!(Text::decode(b"a\xff\xff\xc3").invalid, [(1, 4)]);
        assert!(text.is_invalid(1) && text.is_invalid(5));
        assert!(!text.is_invalid(0) && !text.is_invalid(2) && !text.is_invalid(6));
    }

    #[test]
    fn a_lone_carriage_return_ends_a_line_only_where_no_line_feed_does() {
        assert_eq!(Text::decode(b"a\rb").text, "a\nb");
        assert_eq!(Text::decode(b"a\r\nb\rc").text, "a\r\nb\rc");
    }

    #[test]
    fn columns_count_characters_and_not_the_byte_order_mark() {
        let mut places = Places::new("\u{FEFF}\u{e9}\tx\ny");
        assert_eq!(places.span(6, 7).location, Location { line: 1, column: 3 });
        assert_eq!(places.span(8, 9).location, Location { line: 2, column: 1 });
    }
}
