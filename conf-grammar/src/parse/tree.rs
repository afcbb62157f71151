//! Tokens to nested blocks.
//!
//! When the braces of a file do not balance, the one to blame is guessed from the indentation; a
//! file whose braces balance is never judged by its layout.

use crate::diagnose::{Code, Diagnostic, Sink};
use crate::parse::lexer::{Token, TokenKind};
use crate::schema;
use crate::span::Span;

/// Blocks nested deeper than this are refused. Valid files need three.
const DEPTH_MAX: usize = 16;

/// A word of a block, or a block in it.
pub(crate) enum Node<'a> {
    Word(Token<'a>),
    Block(Block<'a>),
}

/// What stands between two braces.
pub(crate) struct Block<'a> {
    pub(crate) open: Span,
    pub(crate) nodes: Vec<Node<'a>>,
    /// The closing brace, if there is one.
    pub(crate) close: Option<Span>,
}

impl Block<'_> {
    /// The braces and all between them.
    pub(crate) fn span(&self) -> Span {
        let last = match self.nodes.last() {
            Some(Node::Word(token)) => token.span,
            Some(Node::Block(block)) => block.close.unwrap_or(block.open),
            None => self.open,
        };
        self.open.to(self.close.unwrap_or(last))
    }
}

/// Pairs the braces and returns the content of the file.
pub(crate) fn build<'a>(tokens: &[Token<'a>], sink: &mut Sink) -> Vec<Node<'a>> {
    let n_open = tokens.iter().filter(|t| t.kind == TokenKind::Open).count();
    let n_close = tokens.iter().filter(|t| t.kind == TokenKind::Close).count();
    let mut builder = Builder {
        top: Vec::new(),
        frames: Vec::new(),
        n_unclosed: n_open.saturating_sub(n_close),
        n_surplus: n_close.saturating_sub(n_open),
        n_skipped: 0,
    };
    for (i, token) in tokens.iter().enumerate() {
        let next = tokens.get(i.saturating_add(1));
        match token.kind {
            TokenKind::Open => builder.open(token, sink),
            TokenKind::Close => builder.close(token, sink),
            TokenKind::Path | TokenKind::Word | TokenKind::Quoted | TokenKind::Stray => {
                builder.word(*token, next.is_some_and(|t| t.kind == TokenKind::Open));
            }
        }
    }
    while !builder.frames.is_empty() {
        builder.leave_unclosed();
    }
    builder.top
}

struct Frame<'a> {
    block: Block<'a>,
    /// Column of the first token of the line that opens the block.
    indent: u32,
}

struct Builder<'a> {
    top: Vec<Node<'a>>,
    frames: Vec<Frame<'a>>,
    /// Opening braces that cannot have a closing one.
    n_unclosed: usize,
    /// Closing braces that cannot have an opening one.
    n_surplus: usize,
    /// Blocks open beyond the depth that is kept.
    n_skipped: usize,
}

impl<'a> Builder<'a> {
    fn add(&mut self, node: Node<'a>) {
        match self.frames.last_mut() {
            Some(frame) => frame.block.nodes.push(node),
            None => self.top.push(node),
        }
    }

    fn leave(&mut self, close: Span) {
        if let Some(mut frame) = self.frames.pop() {
            frame.block.close = Some(close);
            self.add(Node::Block(frame.block));
        }
    }

    /// Leaves a block that has no end. In an indented file what stands left of its content is not
    /// in it any more.
    fn leave_unclosed(&mut self) {
        self.n_unclosed = self.n_unclosed.saturating_sub(1);
        let Some(mut frame) = self.frames.pop() else {
            return;
        };
        let column = |node: &Node<'_>| match node {
            Node::Word(token) => token.is_first_on_line.then_some(token.indent),
            Node::Block(_) => None,
        };
        let is_indented = frame
            .block
            .nodes
            .first()
            .and_then(column)
            .is_some_and(|first| first > frame.indent);
        let is_outside = |node: &Node<'_>| column(node).is_some_and(|column| column <= frame.indent);
        let end = frame
            .block
            .nodes
            .iter()
            .position(is_outside)
            .filter(|_| is_indented);
        let rest = end
            .map(|end| frame.block.nodes.split_off(end))
            .unwrap_or_default();
        self.add(Node::Block(frame.block));
        for node in rest {
            self.add(node);
        }
    }

    fn open(&mut self, token: &Token<'a>, sink: &mut Sink) {
        if self.frames.len() >= DEPTH_MAX {
            if self.n_skipped == 0 {
                let message = format!("blocks are nested more than {DEPTH_MAX} deep");
                sink.push(Diagnostic::error(Code::UnexpectedToken, token.span, message));
            }
            self.n_skipped = self.n_skipped.saturating_add(1);
            return;
        }
        let block = Block {
            open: token.span,
            nodes: Vec::new(),
            close: None,
        };
        self.frames.push(Frame {
            block,
            indent: token.indent,
        });
    }

    fn close(&mut self, token: &Token<'a>, sink: &mut Sink) {
        if self.n_skipped > 0 {
            self.n_skipped = self.n_skipped.saturating_sub(1);
            return;
        }
        self.leave_by_indentation(token);
        let fits = self.frames.last().is_some_and(|frame| {
            !(self.n_surplus > 0 && token.is_first_on_line && token.indent > frame.indent)
        });
        if fits {
            self.leave(token.span);
        } else {
            self.n_surplus = self.n_surplus.saturating_sub(1);
            let message = "this `}` closes nothing";
            let help = "remove it, or look for a `{` that is missing above";
            sink.push(Diagnostic::error(Code::UnmatchedBrace, token.span, message).with_help(help));
        }
    }

    /// Leaves the blocks that a closing brace skips: one that stands exactly below the line that
    /// opened an outer block closes that block.
    fn leave_by_indentation(&mut self, token: &Token<'a>) {
        if self.n_unclosed == 0 || !token.is_first_on_line {
            return;
        }
        let Some(target) = self.frames.iter().rposition(|frame| frame.indent == token.indent) else {
            return;
        };
        while self.n_unclosed > 0 && self.frames.len() > target.saturating_add(1) {
            self.leave_unclosed();
        }
    }

    fn word(&mut self, token: Token<'a>, opens_block: bool) {
        if self.n_skipped > 0 {
            return;
        }
        let starts_section = self.n_unclosed > 0
            && opens_block
            && token.is_first_on_line
            && schema::is_section(token.text)
            && self
                .frames
                .first()
                .is_some_and(|frame| token.indent <= frame.indent);
        while starts_section && self.n_unclosed > 0 && !self.frames.is_empty() {
            self.leave_unclosed();
        }
        self.add(Node::Word(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::lexer;
    use crate::parse::text::Text;

    /// The tree as text, `!` where a brace is missing, and the codes with their lines.
    fn outline(source: &str) -> (String, Vec<String>) {
        let text = Text::decode(source.as_bytes());
        let mut sink = Sink::default();
        let nodes = build(&lexer::tokens(&text).unwrap(), &mut sink);
        let found = sink.into_sorted();
        (
            draw(&nodes),
            found
                .iter()
                .map(|d| format!("{}@{}", d.code, d.span.location.line))
                .collect(),
        )
    }

    fn draw(nodes: &[Node<'_>]) -> String {
        let draw_one = |node: &Node<'_>| match node {
            Node::Word(token) => token.text.to_owned(),
            Node::Block(block) => {
                let end = if block.close.is_some() { "" } else { "!" };
                format!("({}){end}", draw(&block.nodes))
            }
        };
        nodes.iter().map(draw_one).collect::<Vec<String>>().join(" ")
    }

    #[test]
    fn balanced_braces_are_not_judged_by_their_layout() {
        let (tree, found) = outline("General {\nUNIX {\n\t\t\tPath /x\n}\n\t}\nStats {\n\t\t}\n");
        assert_eq!(tree, "General (UNIX (Path /x)) Stats ()");
        assert!(found.is_empty());
    }

    #[test]
    fn without_indentation_the_outer_block_is_the_open_one() {
        let (tree, _) = outline("General {\nUNIX {\nPath /x\n}\nHashSize 1\n");
        assert_eq!(tree, "General (UNIX (Path /x) HashSize 1)!");
    }

    #[test]
    fn a_closing_brace_below_an_outer_line_closes_that_block() {
        let (tree, _) =
            outline("General {\n\tFilter {\n\t\tState Accept {\n\t\t\tCLOSE\n\t}\n\tHashSize 1\n}\n");
        assert_eq!(tree, "General (Filter (State Accept (CLOSE)!) HashSize 1)");
    }

    #[test]
    fn a_section_ends_the_blocks_that_are_open() {
        let (tree, _) = outline("Sync {\n\tMode FTFW {\nGeneral {\n}\nStats {\n}\n");
        assert_eq!(tree, "Sync (Mode FTFW ()!)! General () Stats ()");
    }

    #[test]
    fn a_surplus_brace_is_the_one_that_fits_no_line() {
        let (tree, found) = outline("General {\n\tHashSize 1\n\t}\n\tHashLimit 2\n}\n");
        assert_eq!(tree, "General (HashSize 1 HashLimit 2)");
        assert_eq!(found, ["unmatched-brace@3"]);
    }

    #[test]
    fn depth_is_bounded_and_what_follows_is_read() {
        let source = format!("{}\n{}\nStats {{ }}", "x {".repeat(40), "}".repeat(40));
        let (tree, found) = outline(&source);
        assert_eq!(found, ["unexpected-token@1"]);
        assert!(tree.ends_with(") Stats ()"), "{tree}");
    }
}
