//! What is wrong with a command line, in the words that scripts know.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{NoRun, command};

/// Says in the words that scripts know what the parser found.
pub(super) fn no_run(error: &clap::Error) -> NoRun {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg);
    let option = letter(&argument);
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's own enum, and non-exhaustive"
    )]
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => NoRun::Text(error.render().to_string()),
        ErrorKind::UnknownArgument => unknown_option(&argument),
        ErrorKind::ValueValidation => NoRun::Refused {
            message: format!(
                "unknown parameter `{}' for option `{}'",
                context(ContextKind::InvalidValue),
                option
            ),
            usage: None,
        },
        ErrorKind::TooManyValues => invalid_parameters(&format!("{option} takes no operand")),
        ErrorKind::InvalidValue => invalid_parameters(&format!("{option} lacks its operand")),
        ErrorKind::MissingRequiredArgument => invalid_parameters("-x goes after -i or -e"),
        _ => invalid_parameters(error.render().to_string().trim()),
    }
}

/// Returns the option alone of `-s [<topic>]`.
fn letter(argument: &str) -> &str {
    argument.split(' ').next().unwrap_or_default()
}

pub(super) fn unknown_option(option: &str) -> NoRun {
    NoRun::Refused {
        message: format!("Unknown option: {option}"),
        usage: Some(usage()),
    }
}

pub(super) fn invalid_parameters(why: &str) -> NoRun {
    NoRun::Refused {
        message: format!("Invalid parameters: {why}"),
        usage: Some(usage()),
    }
}

fn usage() -> String {
    command().render_help().to_string()
}
