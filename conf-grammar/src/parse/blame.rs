//! The words of errors about words.

use crate::diagnose::suggest::closest;
use crate::diagnose::{Code, Diagnostic, echo};
use crate::parse::lexer::{Token, TokenKind};
use crate::schema::{self, BlockKind, BlockSpec, Status};
use crate::span::{Location, Span};

/// Adds a suggestion if one of the candidates is close to `text`.
pub(crate) fn suggest<'a>(
    diagnostic: Diagnostic,
    text: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Diagnostic {
    match closest(text, candidates) {
        Some(candidate) => did_you_mean(diagnostic, candidate),
        None => diagnostic,
    }
}

/// Adds a suggestion.
pub(crate) fn did_you_mean(diagnostic: Diagnostic, candidate: &str) -> Diagnostic {
    diagnostic.with_help(format!("did you mean `{candidate}`?"))
}

/// Returns the error for a word that contains a separator of other formats, with its place.
pub(crate) fn separator(token: &Token<'_>) -> Option<Diagnostic> {
    if token.kind != TokenKind::Word {
        return None;
    }
    let (offset, character) = token
        .text
        .char_indices()
        .find(|(_, c)| matches!(c, '=' | ';' | ','))?;
    let start = token.span.start.saturating_add(offset);
    let column = token
        .span
        .location
        .column
        .saturating_add(u32::try_from(offset).unwrap_or(u32::MAX));
    let span = Span {
        start,
        end: start.saturating_add(1),
        location: Location {
            column,
            ..token.span.location
        },
    };
    let help = match character {
        '=' => "a value follows its clause after a blank",
        ';' => "a clause needs no end mark",
        _ => "the items of a list are separated by blanks",
    };
    Some(Diagnostic::error(Code::UnexpectedToken, span, format!("unexpected `{character}`")).with_help(help))
}

/// Returns the error for a quote or for a character that no word may hold.
pub(crate) fn bad_character(token: &Token<'_>) -> Diagnostic {
    if token.kind == TokenKind::Quoted {
        let message = format!("unexpected `\"` in {}", echo(token.text));
        return Diagnostic::error(Code::UnexpectedCharacter, token.span, message)
            .with_help("there is no quoting: write the value as it is");
    }
    let character = token.text.chars().next().unwrap_or_default();
    let name = match character {
        '\0' => " NULL",
        '\u{0B}' => " LINE TABULATION",
        '\u{0C}' => " FORM FEED",
        '\u{A0}' => " NO-BREAK SPACE",
        '\u{FEFF}' => " ZERO WIDTH NO-BREAK SPACE",
        _ => "",
    };
    let shown = if name.is_empty() && !character.is_control() {
        format!("`{character}` ")
    } else {
        String::new()
    };
    let message = format!("unexpected character {shown}U+{:04X}{name}", u32::from(character));
    Diagnostic::error(Code::UnexpectedCharacter, token.span, message)
}

/// Returns the error for a word that nothing asked for; `place` says behind what it stands.
pub(crate) fn surplus(token: &Token<'_>, place: &str) -> Diagnostic {
    let message = format!("unexpected {} behind {place}", echo(token.text));
    Diagnostic::error(Code::UnexpectedToken, token.span, message)
}

/// Returns the error for a clause that stands in the wrong block.
pub(crate) fn misplaced(
    token: &Token<'_>,
    kind: BlockKind,
    home: Option<Span>,
    homes: &[&str],
) -> Diagnostic {
    let title = schema::block(kind).title;
    let message = if kind == BlockKind::File {
        format!("`{}` must stand inside a section", token.text)
    } else {
        format!("`{}` is not allowed in {title}", token.text)
    };
    let help = match (kind, token.text) {
        (BlockKind::Udp | BlockKind::Tcp, "Group") => format!("the port of {title} is given by `Port`"),
        (BlockKind::Multicast, "Port") => format!("the port of {title} is given by `Group`"),
        _ if homes == ["the file"] => "it is a section: is a `}` missing above?".to_owned(),
        _ => format!("it belongs into {}", homes.join(" or ")),
    };
    let error = Diagnostic::error(Code::MisplacedClause, token.span, message).with_help(help);
    match home {
        Some(home) => error.with_related(home, "in this block"),
        None => error,
    }
}

/// Returns the error for a word at the top level that names no section.
pub(crate) fn unknown_section(token: &Token<'_>, near: Option<&str>) -> Diagnostic {
    let message = format!("{} is not a section", echo(token.text));
    let error = Diagnostic::error(Code::UnknownSection, token.span, message);
    match near {
        Some(near) => did_you_mean(error, near),
        None if token.text.eq_ignore_ascii_case("include") => {
            error.with_help("there is no way to include another file")
        }
        None => error.with_help("the sections are `General`, `Sync`, `Stats` and `Helper`"),
    }
}

/// Returns the error for a word that names no clause of the block.
pub(crate) fn unknown_clause(token: &Token<'_>, block: &BlockSpec, near: Option<&str>) -> Diagnostic {
    let message = format!("{} is not a clause of {}", echo(token.text), block.title);
    let error = Diagnostic::error(Code::UnknownClause, token.span, message);
    if let Some(near) = near {
        let differs_in_case = near.eq_ignore_ascii_case(token.text);
        let case = if differs_in_case { " (case matters)" } else { "" };
        return error.with_help(format!("did you mean `{near}`?{case}"));
    }
    match closest(token.text, schema::all_names()) {
        Some(name) => error.with_help(format!(
            "did you mean `{name}`? It belongs into {}",
            schema::homes(name).join(" or ")
        )),
        None => match few_clauses(block) {
            Some(list) => error.with_help(format!("its clauses are {list}")),
            None => error,
        },
    }
}

/// Lists the clauses of a block, `None` if there are too many to be read at a glance.
fn few_clauses(block: &BlockSpec) -> Option<String> {
    const FEW: usize = 8;
    let alive = block
        .clauses()
        .iter()
        .filter(|clause| matches!(clause.status, Status::Alive));
    let names: Vec<String> = alive.map(|clause| format!("`{}`", clause.name)).collect();
    (2..=FEW).contains(&names.len()).then(|| names.join(", "))
}
