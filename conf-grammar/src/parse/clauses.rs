//! Words to clauses, by the table of `schema`.
//!
//! After a mistake the reader goes on at the next line or at the next clause of the block, so that one
//! run finds them all and none of them twice.

mod lists;
mod stock;
#[cfg(test)]
mod tests;

use crate::diagnose::suggest::closest;
use crate::diagnose::{Code, Diagnostic, Sink, echo};
use crate::parse::argument::Argument;
use crate::parse::blame::{
    bad_character, misplaced, separator, suggest, surplus, unknown_clause, unknown_section,
};
use crate::parse::lexer::{Token, TokenKind};
use crate::parse::text::Text;
use crate::parse::tree::{Block, Node};
use crate::parse::value::{ModeName, Value};
use crate::schema::{self, BlockKind, BlockSpec, Body, ClauseSpec, Content, Kind, Status};
use crate::span::Span;

/// A clause of the file. Those that are in error stand here too, with what could be read of them.
pub(crate) struct Clause {
    /// Today's name.
    pub(crate) name: &'static str,
    pub(crate) spec: &'static ClauseSpec,
    /// The keyword.
    pub(crate) head: Span,
    /// The keyword and all that belongs to it.
    pub(crate) whole: Span,
    pub(crate) args: Vec<(Value, Span)>,
    /// The clauses of its block.
    pub(crate) clauses: Vec<Self>,
    /// The entries of its block, if that is a list.
    pub(crate) items: Vec<(Value, Span)>,
}

/// Reads the sections of a file.
pub(crate) fn read_file(nodes: &[Node<'_>], text: &Text<'_>, sink: &mut Sink) -> Vec<Clause> {
    Reader { text, sink }.clauses(nodes, BlockKind::File, None)
}

/// The clause could not be read; the reason is in the sink.
struct Failed;

/// A place in the content of a block.
struct Cursor<'n, 'a> {
    block: &'static BlockSpec,
    nodes: &'n [Node<'a>],
    at: usize,
}

impl<'n, 'a> Cursor<'n, 'a> {
    fn new(kind: BlockKind, nodes: &'n [Node<'a>]) -> Self {
        Self {
            block: schema::block(kind),
            nodes,
            at: 0,
        }
    }

    /// Whether the token is the name of a clause of this block.
    fn is_clause(&self, token: &Token<'_>) -> bool {
        self.block.clause(token.text).is_some()
    }

    fn peek(&self) -> Option<&'n Node<'a>> {
        self.nodes.get(self.at)
    }

    fn peek_word(&self) -> Option<&'n Token<'a>> {
        match self.peek() {
            Some(Node::Word(token)) => Some(token),
            Some(Node::Block(_)) | None => None,
        }
    }

    fn advance(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Whether the node before the next one is a word.
    fn follows_word(&self) -> bool {
        let before = self.at.checked_sub(1).and_then(|at| self.nodes.get(at));
        matches!(before, Some(Node::Word(_)))
    }

    /// The last byte that was passed, as a span to extend another one to.
    fn passed(&self) -> Option<Span> {
        match self.nodes.get(self.at.checked_sub(1)?)? {
            Node::Word(token) => Some(token.span),
            Node::Block(block) => Some(block.span()),
        }
    }
}

struct Reader<'s> {
    text: &'s Text<'s>,
    sink: &'s mut Sink,
}

impl Reader<'_> {
    /// Reads the content of a block; `home` is the keyword that begins it.
    fn clauses(&mut self, nodes: &[Node<'_>], kind: BlockKind, home: Option<Span>) -> Vec<Clause> {
        let mut cursor = Cursor::new(kind, nodes);
        let mut found = Vec::new();
        while let Some(node) = cursor.peek() {
            if self.sink.is_full() {
                break;
            }
            match node {
                Node::Word(token) => match cursor.block.clause(token.text) {
                    Some(spec) => {
                        cursor.advance();
                        found.push(self.clause(spec, token, &mut cursor));
                    }
                    None => {
                        self.unknown(token, kind, home, cursor.follows_word());
                        cursor.advance();
                        recover(&mut cursor);
                    }
                },
                Node::Block(inner) => {
                    let message = format!("a `{{` in {} without a clause before it", cursor.block.title);
                    self.sink
                        .push(Diagnostic::error(Code::UnexpectedToken, inner.open, message));
                    cursor.advance();
                }
            }
        }
        found
    }

    fn clause(&mut self, spec: &'static ClauseSpec, head: &Token<'_>, cursor: &mut Cursor<'_, '_>) -> Clause {
        let mut clause = Clause {
            name: spec.name,
            spec,
            head: head.span,
            whole: head.span,
            args: Vec::new(),
            clauses: Vec::new(),
            items: Vec::new(),
        };
        let mut is_read = true;
        for kind in spec.args {
            match self.argument(*kind, head, cursor) {
                Ok(values) => clause.args.extend(values),
                Err(Failed) => {
                    is_read = false;
                    break;
                }
            }
        }
        let body = match spec.body {
            Body::None => None,
            Body::Required(kind) => Some(Some(kind)),
            Body::Alternative(kind) => (is_read && clause.args.is_empty()).then_some(Some(kind)),
            Body::OfMode => Some(clause.mode().map(ModeName::block)),
        };
        match body {
            Some(kind) => self.body(&mut clause, kind, is_read, cursor),
            None if is_read => {}
            None => recover(cursor),
        }
        clause.whole = cursor.passed().map_or(head.span, |last| head.span.to(last));
        if is_read {
            self.remark(&mut clause);
        }
        clause
    }

    /// Reads what one entry of the table's arguments stands for: no value, one, or several states.
    fn argument(
        &mut self,
        kind: Kind,
        head: &Token<'_>,
        cursor: &mut Cursor<'_, '_>,
    ) -> Result<Vec<(Value, Span)>, Failed> {
        let next = cursor.peek_word();
        if matches!(kind, Kind::States) {
            return self.state_group(head, cursor);
        }
        if matches!(kind, Kind::BoolUnlessBlock) && matches!(cursor.peek(), Some(Node::Block(_))) {
            return Ok(Vec::new());
        }
        if matches!(kind, Kind::OptionalDefault) {
            let Some(token) = next.filter(|token| token.text == "Default") else {
                return Ok(Vec::new());
            };
            cursor.advance();
            return Ok(vec![(Value::Marker, token.span)]);
        }
        if matches!(kind, Kind::OptionalFrom) {
            let Some(from) = next.filter(|token| token.text == "From") else {
                return Ok(Vec::new());
            };
            cursor.advance();
            return self.required(kind, from, cursor).map(|value| vec![value]);
        }
        self.required(kind, head, cursor).map(|value| vec![value])
    }

    fn required(
        &mut self,
        kind: Kind,
        head: &Token<'_>,
        cursor: &mut Cursor<'_, '_>,
    ) -> Result<(Value, Span), Failed> {
        let begins_clause =
            |token: &Token<'_>| cursor.is_clause(token) && (token.is_first_on_line || !kind.takes_any_word());
        let Some(token) = cursor.peek_word().filter(|token| !begins_clause(token)) else {
            return Err(self.missing(kind, head));
        };
        match Argument::new(head.text, token).read(kind) {
            Ok(value) => {
                cursor.advance();
                Ok((value, token.span))
            }
            Err(_) if token.is_first_on_line && token.text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                Err(self.missing(kind, head))
            }
            Err(error) => {
                self.report_value(kind, token, error);
                cursor.advance();
                Err(Failed)
            }
        }
    }

    fn missing(&mut self, kind: Kind, head: &Token<'_>) -> Failed {
        let message = format!("`{}` needs {}", head.text, kind.needs());
        self.sink
            .push(Diagnostic::error(Code::MissingValue, head.span, message));
        Failed
    }

    /// Reads the block of a clause. Without a kind, or after a mistake in front of it, the block is
    /// still found, so that its content is not taken for something else.
    fn body(
        &mut self,
        clause: &mut Clause,
        kind: Option<BlockKind>,
        is_read: bool,
        cursor: &mut Cursor<'_, '_>,
    ) {
        let mut is_told = !is_read;
        while let Some(token) = cursor.peek_word() {
            if token.is_first_on_line || cursor.is_clause(token) {
                break;
            }
            if !is_told {
                let error = surplus(token, &format!("`{}`", clause.name));
                let takes_default = clause
                    .spec
                    .args
                    .iter()
                    .any(|arg| matches!(arg, Kind::OptionalDefault));
                let fixed = if takes_default { "Default" } else { "From" };
                self.report(token, suggest(error, token.text, [fixed]));
                is_told = true;
            }
            cursor.advance();
        }
        match cursor.peek() {
            Some(Node::Block(inner)) => {
                cursor.advance();
                self.block(clause, kind, inner);
            }
            Some(Node::Word(_)) | None if is_told => {}
            Some(Node::Word(_)) | None => {
                let message = format!("`{}` needs a `{{ }}` block", clause.title());
                self.sink
                    .push(Diagnostic::error(Code::MissingBlock, clause.head, message));
            }
        }
    }

    fn block(&mut self, clause: &mut Clause, kind: Option<BlockKind>, inner: &Block<'_>) {
        if inner.close.is_none() {
            let message = format!("the block of `{}` is never closed", clause.title());
            let error = Diagnostic::error(Code::UnclosedBlock, inner.open, message);
            self.sink.push(error.with_help("a `}` is missing"));
        }
        let Some(kind) = kind else {
            return;
        };
        match schema::block(kind).content {
            Content::Clauses(_) => clause.clauses = self.clauses(&inner.nodes, kind, Some(clause.head)),
            Content::List(entry) => clause.items = self.list(clause.name, entry, &inner.nodes),
            Content::States => clause.items = self.states(clause, &inner.nodes),
        }
    }

    /// Reports a word that begins no clause of the block.
    fn unknown(&mut self, token: &Token<'_>, kind: BlockKind, home: Option<Span>, follows_word: bool) {
        let block = schema::block(kind);
        if let TokenKind::Quoted | TokenKind::Stray = token.kind {
            return self.report(token, bad_character(token));
        }
        if let Some(error) = separator(token) {
            return self.report(token, error);
        }
        let homes = schema::homes(token.text);
        let near = closest(token.text, block.clauses().iter().map(|clause| clause.name));
        let error = if !homes.is_empty() {
            misplaced(token, kind, home, &homes)
        } else if token.kind == TokenKind::Path || (follows_word && !token.is_first_on_line && near.is_none())
        {
            surplus(token, "the clause")
        } else if kind == BlockKind::File {
            unknown_section(token, near)
        } else {
            unknown_clause(token, block, near)
        };
        self.report(token, error);
    }

    /// Reports an error about a word, unless its bytes are already in error.
    fn report(&mut self, token: &Token<'_>, error: Diagnostic) {
        if !self.text.is_invalid(token.span.start) {
            self.sink.push(error);
        }
    }

    /// Reports a word that is no value of its kind.
    pub(super) fn report_value(&mut self, kind: Kind, token: &Token<'_>, error: Diagnostic) {
        match stock::tolerated(kind, token.text, error.code) {
            Some(consequence) if !self.text.is_invalid(token.span.start) => {
                self.sink.tolerate(error, consequence)
            }
            Some(_) | None => self.report(token, error),
        }
    }

    /// Says what there is to say about the standing of a clause, and gives it today's name.
    fn remark(&mut self, clause: &mut Clause) {
        let name = clause.name;
        let head = clause.head;
        let remark = match clause.spec.status {
            Status::Alive => None,
            Status::Alias(new) => {
                clause.name = new;
                Some(Diagnostic::note(
                    Code::DeprecatedRenamed,
                    head,
                    format!("`{name}` is called `{new}` today"),
                ))
            }
            Status::Renamed(new) => {
                clause.name = new;
                Some(Diagnostic::warning(
                    Code::DeprecatedRenamed,
                    head,
                    format!("`{name}` is called `{new}` today"),
                ))
            }
            Status::Ignored(help) | Status::Lost(help) => {
                let message = format!("`{name}` is an old clause without effect");
                Some(Diagnostic::warning(Code::DeprecatedIgnored, head, message).with_help(help))
            }
            Status::Redundant(help) => {
                let message = format!("`{name}` is not needed and has no effect");
                Some(Diagnostic::warning(Code::RedundantClause, head, message).with_help(help))
            }
            Status::Translated(help) => {
                let message = format!("`{name}` is an old clause; it is applied in its modern form");
                Some(Diagnostic::warning(Code::DeprecatedTranslated, head, message).with_help(help))
            }
            Status::Elsewhere(home) => {
                let message = format!("`{name}` belongs into `{home}`; it is applied as if it stood there");
                Some(Diagnostic::warning(Code::DocumentedElsewhere, head, message))
            }
        };
        self.sink.extend(remark);
        for (value, span) in &clause.args {
            let remark = self.remark_on(value, *span);
            self.sink.extend(remark);
        }
    }

    fn remark_on(&self, value: &Value, span: Span) -> Option<Diagnostic> {
        let text = self.text.text.get(span.start..span.end)?;
        if let Value::Mode(mode) = value
            && ModeName::by_old_name(text).is_some()
        {
            let message = format!("the mode {} is called `{}` today", echo(text), mode.as_str());
            return Some(Diagnostic::warning(Code::DeprecatedRenamed, span, message));
        }
        if let Value::Network(network, true) = value {
            let message = format!(
                "{} has bits below its prefix; it is the network `{network}`",
                echo(text)
            );
            return Some(Diagnostic::warning(Code::HostBits, span, message));
        }
        None
    }
}

impl Clause {
    /// Returns the mode that the clause names.
    pub(crate) fn mode(&self) -> Option<ModeName> {
        match self.args.first() {
            Some((Value::Mode(mode), _)) => Some(*mode),
            _ => None,
        }
    }

    /// The clause as messages call it.
    fn title(&self) -> String {
        self.mode().map_or_else(
            || self.name.to_owned(),
            |mode| format!("{} {}", self.name, mode.as_str()),
        )
    }
}

/// Skips what belongs to a clause in error: the rest of its line up to another clause of the block, and
/// the block behind it.
fn recover(cursor: &mut Cursor<'_, '_>) {
    while let Some(node) = cursor.peek() {
        match node {
            Node::Word(token) if token.is_first_on_line || cursor.is_clause(token) => return,
            Node::Word(_) => cursor.advance(),
            Node::Block(_) => return cursor.advance(),
        }
    }
}
