//! Bytes to clauses: every word understood, nothing yet combined.

mod argument;
pub(crate) mod blame;
mod clauses;
pub(crate) mod lexer;
pub(crate) mod text;
mod tree;
pub(crate) mod value;

pub(crate) use clauses::Clause;

use crate::diagnose::{Code, Diagnostic, Sink};
use crate::span::Span;
use text::Text;

/// The longest file that is read, in bytes; larger ones are refused whatever is in them.
pub const FILE_MAX: usize = 16 << 20;

/// Reads a file and returns its sections, `None` if it cannot be read at all; what is wrong goes to `sink`.
pub(crate) fn read(source: &[u8], sink: &mut Sink) -> Option<Vec<Clause>> {
    if source.len() > FILE_MAX {
        let message = format!("the file has more than {FILE_MAX} bytes");
        sink.push(Diagnostic::error(Code::UnreadableFile, Span::START, message));
        return None;
    }
    let text = Text::decode(source);
    sink.extend(text.diagnostics());
    match lexer::tokens(&text) {
        Ok(tokens) => {
            let nodes = tree::build(&tokens, sink);
            Some(clauses::read_file(&nodes, &text, sink))
        }
        Err(error) => {
            sink.push(error);
            None
        }
    }
}
