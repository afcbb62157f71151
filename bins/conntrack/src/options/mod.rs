//! The command line.
//!
//! [`table`] says what there is; a scanner of our own, driven by it, reads the arguments of the
//! program and the lines of a file alike. Then the options are checked against each other, in the
//! order and with the words that scripts know, and the command is made of them.
//!
//! Bytes that are not UTF-8 are no mistake of their own: no name or number has any.

mod build;
mod check;
mod context;
mod given;
pub mod help;
mod lookup;
mod matrix;
mod refusal;
mod scan;
mod split;
pub mod table;
mod values;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

pub use context::Context;
pub use refusal::Refusal;

use crate::command::Command;
use refusal::shown;
use table::Kind;

/// Reads a command line, the name of the program first.
///
/// What the user should be told besides is with the context, [`Context::take_warnings`], also of a
/// command line that is refused.
///
/// # Errors
/// [`Refusal`]: the command line means nothing. Nothing has been done.
pub fn parse(args: impl IntoIterator<Item = OsString>, context: &mut Context) -> Result<Command, Refusal> {
    let args: Vec<OsString> = args.into_iter().skip(1).collect();
    let words: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
    match words.as_slice() {
        // Anywhere else these are no options.
        [b"-R" | b"--load-file", file] => {
            return Ok(Command::Load(PathBuf::from(OsString::from_vec(file.to_vec()))));
        }
        [b"-R" | b"--load-file", _, word, ..] => return Err(Refusal::AfterFile(shown(word))),
        _ => {}
    }
    let given = scan::scan(words.into_iter(), context)?;
    check::check(&given)?;
    build::command(&given)
}

/// Reads a line of a file for `-R`, with or without its end; nothing from an empty one or a comment.
///
/// # Errors
/// [`Refusal`], also of a command other than `-I`, `-A`, `-U`, `-D`, `-F` on flows, and of a line of
/// more than 10,239 bytes, 253 words, or 1,023 bytes in a word.
pub fn parse_line(line: &[u8], context: &mut Context) -> Result<Option<Command>, Refusal> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let begin = line.iter().position(|byte| !split::is_blank(*byte));
    let line = match begin {
        None => return Ok(None),
        Some(begin) if line[begin] == b'#' => return Ok(None),
        Some(begin) => &line[begin..],
    };
    if line.len() > split::LINE_LEN_MAX {
        return Err(Refusal::LongLine(line.len(), split::LINE_LEN_MAX));
    }
    let command = if split::is_plain(line) {
        let given = scan::scan(split::plain(line), context)?;
        of_file(&given)
    } else {
        let words = split::quoted(line)?;
        let given = scan::scan(words.iter().map(Vec::as_slice), context)?;
        of_file(&given)
    };
    command.map(Some)
}

/// Makes the command of a line, if a file may have it.
fn of_file(given: &given::Given<'_>) -> Result<Command, Refusal> {
    check::check(given)?;
    match given.kind {
        Kind::Create | Kind::Add | Kind::Update | Kind::Delete | Kind::Flush => build::command(given),
        Kind::None
        | Kind::List
        | Kind::Get
        | Kind::Events
        | Kind::Count
        | Kind::Stats
        | Kind::Version
        | Kind::Help
        | Kind::ExpectList
        | Kind::ExpectCreate
        | Kind::ExpectDelete
        | Kind::ExpectGet
        | Kind::ExpectFlush
        | Kind::ExpectEvents
        | Kind::ExpectCount
        | Kind::ExpectStats => Err(Refusal::NotInFile(given.kind.spelt())),
    }
}
