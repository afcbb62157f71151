//! Text to words, paths and braces.

use pest::Parser;
use pest_derive::Parser;

use crate::diagnose::{Code, Diagnostic};
use crate::parse::text::{Places, Text};
use crate::span::Span;

#[derive(Parser)]
#[grammar = "grammar.pest"]
struct Grammar;

/// What a token is, as far as its characters tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Open,
    Close,
    Path,
    Word,
    Quoted,
    Stray,
}

/// A piece of the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    pub(crate) text: &'a str,
    pub(crate) span: Span,
    /// Nothing but blanks stands before it on its line.
    pub(crate) is_first_on_line: bool,
    /// Column of the first token of its line.
    pub(crate) indent: u32,
}

/// Splits the text into tokens.
///
/// # Errors
/// The grammar takes any text; should it refuse one after all, that place is reported.
pub(crate) fn tokens<'a>(text: &'a Text<'_>) -> Result<Vec<Token<'a>>, Diagnostic> {
    let pairs = Grammar::parse(Rule::file, &text.text).map_err(|error| {
        let offset = match error.location {
            pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
        };
        let span = Places::new(&text.text).span(offset, offset);
        Diagnostic::error(
            Code::UnexpectedToken,
            span,
            "the text cannot be read from here on",
        )
    })?;
    let mut places = Places::new(&text.text);
    let mut tokens: Vec<Token<'a>> = Vec::new();
    for pair in pairs.flatten() {
        let kind = match pair.as_rule() {
            Rule::open => TokenKind::Open,
            Rule::close => TokenKind::Close,
            Rule::path => TokenKind::Path,
            Rule::word => TokenKind::Word,
            Rule::quoted => TokenKind::Quoted,
            Rule::stray => TokenKind::Stray,
            Rule::file
            | Rule::EOI
            | Rule::bom
            | Rule::blank
            | Rule::comment
            | Rule::token
            | Rule::path_char
            | Rule::control => continue,
        };
        let range = pair.as_span();
        let span = places.span(range.start(), range.end());
        let before = tokens
            .last()
            .filter(|last| last.span.location.line == span.location.line);
        tokens.push(Token {
            kind,
            text: range.as_str(),
            span,
            is_first_on_line: before.is_none(),
            indent: before.map_or(span.location.column, |last| last.indent),
        });
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lex(source: &[u8]) -> Vec<(TokenKind, String)> {
        let text = Text::decode(source);
        tokens(&text)
            .unwrap()
            .into_iter()
            .map(|t| (t.kind, t.text.to_owned()))
            .collect()
    }

    #[test]
    fn a_hash_starts_a_comment_but_not_inside_a_path() {
        let got = lex(b"4096#limit\n/run/a#b #c\n# end");
        let want = [
            (TokenKind::Word, "4096".to_owned()),
            (TokenKind::Path, "/run/a#b".to_owned()),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn a_path_ends_at_a_brace_a_tab_and_a_carriage_return() {
        let texts: Vec<String> = lex(b"{/a}/b\t/c\r\n/d\"").into_iter().map(|t| t.1).collect();
        assert_eq!(texts, ["{", "/a", "}", "/b", "/c", "/d", "\""]);
    }

    #[test]
    fn what_is_no_printable_ascii_is_a_stray_outside_of_paths() {
        let got = lex("a\u{e9}\0 \u{a0} /\u{e9}".as_bytes());
        let kinds: Vec<TokenKind> = got.into_iter().map(|t| t.0).collect();
        assert_eq!(
            kinds,
            [
                TokenKind::Word,
                TokenKind::Stray,
                TokenKind::Stray,
                TokenKind::Path
            ]
        );
    }

    #[test]
    fn every_printable_ascii_character_lexes_as_documented() {
        for byte in b'!'..=b'~' {
            let kind = lex(&[byte]).first().map(|t| t.0);
            let want = match byte {
                b'#' => None,
                b'"' => Some(TokenKind::Quoted),
                b'/' => Some(TokenKind::Path),
                b'{' => Some(TokenKind::Open),
                b'}' => Some(TokenKind::Close),
                _ => Some(TokenKind::Word),
            };
            assert_eq!(kind, want, "for {:?}", char::from(byte));
        }
    }
}
