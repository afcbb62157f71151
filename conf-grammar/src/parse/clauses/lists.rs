//! Lists: names, protocols, and TCP states up to `for TCP`.

use super::{Clause, Cursor, Failed, Reader};
use crate::diagnose::{Code, Diagnostic, echo};
use crate::parse::argument::Argument;
use crate::parse::blame::suggest;
use crate::parse::lexer::Token;
use crate::parse::tree::Node;
use crate::parse::value::Value;
use crate::schema::{BlockKind, Kind};
use crate::span::Span;

impl Reader<'_> {
    /// Reads a list of values; after a separator the rest is left alone.
    pub(super) fn list(&mut self, name: &str, kind: Kind, nodes: &[Node<'_>]) -> Vec<(Value, Span)> {
        let mut items = Vec::new();
        for node in nodes {
            let token = match node {
                Node::Word(token) => token,
                Node::Block(inner) => {
                    let message = format!("a `{{` in the list of `{name}`");
                    self.sink
                        .push(Diagnostic::error(Code::UnexpectedToken, inner.open, message));
                    break;
                }
            };
            match Argument::new(name, token).read(kind) {
                Ok(value) => items.push((value, token.span)),
                Err(error) => {
                    let is_separator = error.code == Code::UnexpectedToken;
                    self.report_value(kind, token, error);
                    if is_separator || self.sink.is_full() {
                        break;
                    }
                }
            }
        }
        items
    }

    /// Reads a list of TCP states in groups.
    pub(super) fn states(&mut self, clause: &Clause, nodes: &[Node<'_>]) -> Vec<(Value, Span)> {
        let mut cursor = Cursor::new(BlockKind::States, nodes);
        let mut items = Vec::new();
        while cursor.peek().is_some() && !self.sink.is_full() {
            if let Some(Node::Block(inner)) = cursor.peek() {
                let message = format!("a `{{` in the list of `{}`", clause.name);
                self.sink
                    .push(Diagnostic::error(Code::UnexpectedToken, inner.open, message));
                break;
            }
            let Some(first) = cursor.peek_word() else { break };
            if let Ok(states) = self.state_group(first, &mut cursor) {
                items.extend(states);
            }
        }
        items
    }

    /// Reads TCP states up to `for TCP`; `head` is blamed if that is missing and no state is there.
    pub(super) fn state_group(
        &mut self,
        head: &Token<'_>,
        cursor: &mut Cursor<'_, '_>,
    ) -> Result<Vec<(Value, Span)>, Failed> {
        let mut states = Vec::new();
        let mut last = head;
        let mut is_read = true;
        while let Some(token) = cursor.peek_word().filter(|token| !cursor.is_clause(token)) {
            cursor.advance();
            if token.text == "for" {
                return self.for_tcp(token, cursor).map(|()| states);
            }
            match Argument::new("State", token).read(Kind::States) {
                Ok(value) => states.push((value, token.span)),
                Err(error) => {
                    self.report(token, error);
                    is_read = false;
                }
            }
            last = token;
        }
        if is_read {
            let message = "the TCP states need `for TCP` behind them";
            self.sink
                .push(Diagnostic::error(Code::MissingValue, last.span, message));
        }
        Err(Failed)
    }

    fn for_tcp(&mut self, head: &Token<'_>, cursor: &mut Cursor<'_, '_>) -> Result<(), Failed> {
        let Some(token) = cursor.peek_word() else {
            let message = "`for` needs `TCP` behind it";
            self.sink
                .push(Diagnostic::error(Code::MissingValue, head.span, message));
            return Err(Failed);
        };
        cursor.advance();
        if token.text == "TCP" {
            return Ok(());
        }
        let message = format!("`for` takes `TCP`, not {}", echo(token.text));
        let error = Diagnostic::error(Code::UnexpectedToken, token.span, message);
        self.report(token, suggest(error, token.text, ["TCP"]));
        Err(Failed)
    }
}
