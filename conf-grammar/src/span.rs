//! Where something stands in the file.

use std::fmt;

/// A place in the file as people count it: both numbers start at 1.
///
/// The column counts Unicode scalar values, so a tab is one column; a byte order mark is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// Line, ended by LF (or by CR in a file that has no LF).
    pub line: u32,
    /// Column of the first character.
    pub column: u32,
}

impl Location {
    /// The first character of a file.
    pub const START: Self = Self { line: 1, column: 1 };
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A range of bytes of the file, `start..end`, and the place of its first character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
    /// Line and column of `start`.
    pub location: Location,
}

impl Span {
    /// The empty range before the first byte: for what a whole file lacks.
    pub const START: Self = Self {
        start: 0,
        end: 0,
        location: Location::START,
    };

    /// Returns the range from the start of this span to the end of `last`.
    pub(crate) fn to(self, last: Self) -> Self {
        Self {
            end: last.end.max(self.end),
            ..self
        }
    }

    /// Whether `inner` lies inside this span.
    pub(crate) fn contains(self, inner: Self) -> bool {
        self.start <= inner.start && inner.end <= self.end
    }
}

/// A value of the configuration and the place it was written at.
///
/// Two of them are equal when their values are: the same setting written in another place, or
/// left to its default, configures the same daemon.
#[derive(Clone, Copy, Debug)]
pub struct Spanned<T> {
    /// The effective value.
    pub value: T,
    /// Where the file says so; `None` when the file is silent and this is the default.
    pub span: Option<Span>,
}

impl<T> Spanned<T> {
    /// Returns a value that the file gives at `span`.
    pub(crate) fn at(value: T, span: Span) -> Self {
        Self {
            value,
            span: Some(span),
        }
    }

    /// Returns a value that the file does not give.
    pub(crate) fn default_of(value: T) -> Self {
        Self { value, span: None }
    }

    /// Converts the value and keeps its place.
    pub(crate) fn map<U>(self, convert: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: convert(self.value),
            span: self.span,
        }
    }

    /// Returns line and column of the value, `None` for a default.
    pub fn location(&self) -> Option<Location> {
        self.span.map(|span| span.location)
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}
