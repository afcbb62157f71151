//! Clauses that this version cannot carry out.

use conf_grammar::{Code, Config, Diagnostic, Helpers, Running, Span};
use io::ctnetlink::FilterTooLong;

/// What cannot be carried out, in the order in which it was found.
#[derive(Default)]
pub(super) struct Refusals(pub(super) Vec<Diagnostic>);

impl Refusals {
    /// Adds that `what` is not supported, and what to do about it.
    pub(super) fn add(&mut self, what: &str, span: Option<Span>, help: &str) {
        let message = format!("{what} is not supported yet");
        self.0.push(
            Diagnostic::error(Code::NotSupported, span.unwrap_or(Span::START), message).with_help(format!(
                "the daemon of this version does not start with it; {help}"
            )),
        );
    }

    /// Adds that the program of a filter does not fit into the kernel.
    pub(super) fn filter_too_long(&mut self, place: Span, error: &FilterTooLong) {
        let help = "join addresses to networks, or write `Filter From Userspace`";
        let refusal = Diagnostic::error(Code::KernelFilterFull, place, error.to_string());
        self.0.push(refusal.with_help(help));
    }

    /// Adds that the daemon of `config` does not replicate, at the section that says what it does.
    pub(super) fn without_sync(&mut self, config: &Config) {
        let span = match &config.running {
            Running::Stats(stats) => stats.section.span,
            Running::HelpersOnly => helpers_span(&config.helpers).flatten(),
            Running::Sync(_) => None,
        };
        self.add("a configuration without section `Sync`", span, "add the section");
    }

    /// Adds what holds for every running mode.
    pub(super) fn general(&mut self, config: &Config) {
        if let Some(span) = helpers_span(&config.helpers) {
            let help = "without it helpers of the kernel still work";
            self.add("section `Helper`", span, help);
        }
    }
}

/// Returns the place of the first clause that asks for a helper, if there is one.
fn helpers_span(helpers: &Helpers) -> Option<Option<Span>> {
    let helper = helpers.types.first().map(|helper| helper.name.span);
    helper.or(helpers.setup.value.then_some(helpers.setup.span))
}
