//! Section `Helper`.

use std::collections::BTreeMap;

use super::Scope;
use crate::diagnose::{Code, Diagnostic, Sink, echo};
use crate::model::{Helper, HelperL3, HelperL4, HelperPolicy, Helpers, KNOWN_HELPERS, KnownHelper};
use crate::parse::Clause;
use crate::parse::blame::suggest;
use crate::parse::value::Value;
use crate::schema::{BlockKind, Setting};
use crate::span::{Span, Spanned};

const SETUP: Setting<bool> = Setting::switch(BlockKind::Helper, "Setup");
const QUEUE_NUM: Setting<u32> = Setting::number(BlockKind::HelperType, "QueueNum");
const QUEUE_LEN: Setting<u32> = Setting::number(BlockKind::HelperType, "QueueLen");

pub(super) fn helpers(sections: &Scope<'_>, sink: &mut Sink) -> Helpers {
    let helper = Scope::inside(sections);
    helper.warn_repeats(sink);
    let mut types: Vec<Helper> = Vec::new();
    let mut queues: BTreeMap<u16, Span> = BTreeMap::new();
    for clause in helper.named("Type").clauses {
        let Some(helper) = helper_type(clause, sink) else {
            continue;
        };
        let is_same = |other: &&Helper| {
            (other.name.value, other.l3.value, other.l4.value)
                == (helper.name.value, helper.l3.value, helper.l4.value)
        };
        if let Some(before) = types.iter().find(is_same) {
            let message = format!(
                "`Type {}` is given twice for the same protocols",
                helper.name.value
            );
            sink.push(
                Diagnostic::error(Code::Contradiction, clause.head, message)
                    .with_related(before.span(), "given here before"),
            );
            continue;
        }
        let span = helper.queue_num.span.unwrap_or(clause.head);
        if let Some(before) = queues.insert(helper.queue_num.value, span) {
            let message = format!("queue {} serves another helper already", helper.queue_num.value);
            let error =
                Diagnostic::error(Code::QueueClash, span, message).with_related(before, "used here before");
            sink.tolerate(error, "both are set up on that queue");
        }
        types.push(helper);
    }
    Helpers {
        setup: helper.bool(SETUP),
        types,
    }
}

fn helper_type(clause: &Clause, sink: &mut Sink) -> Option<Helper> {
    let [
        (Value::Text(name), name_span),
        (Value::Text(l3), l3_span),
        (Value::Text(l4), l4_span),
    ] = clause.args.as_slice()
    else {
        return None;
    };
    let known = KNOWN_HELPERS.iter().find(|known| known.name == name);
    if known.is_none() {
        let error = Diagnostic::error(
            Code::UnknownHelper,
            *name_span,
            format!("unknown helper {}", echo(name)),
        );
        sink.push(suggest(error, name, KNOWN_HELPERS.iter().map(|known| known.name)));
    }
    let l3 = layer3(l3, *l3_span, sink);
    let l4 = layer4(l4, *l4_span, sink);
    if let (Some(known), Some(l4)) = (known, &l4)
        && !known.l4.contains(&l4.value)
    {
        let message = format!("the helper `{name}` does not work over this protocol");
        sink.push(Diagnostic::error(Code::UnknownHelper, *l4_span, message));
    }
    let body = Scope::new(clause.clauses.iter());
    body.warn_repeats(sink);
    let known = known?;
    let policy = policy(known, &body.named("Policy"), sink);
    // The range of the clause is that of the type.
    let queue_num = body
        .number_or(QUEUE_NUM)
        .map(|value| u16::try_from(value).unwrap_or(u16::MAX));
    let queue_len = body.number_or(QUEUE_LEN);
    Some(Helper {
        name: Spanned::at(known.name, *name_span),
        l3: l3?,
        l4: l4?,
        queue_num,
        queue_len,
        policy,
    })
}

fn layer3(name: &str, span: Span, sink: &mut Sink) -> Option<Spanned<HelperL3>> {
    match name {
        "inet" => Some(Spanned::at(HelperL3::Inet, span)),
        "inet6" => Some(Spanned::at(HelperL3::Inet6, span)),
        _ => {
            let message = format!(
                "{} is not a layer 3 protocol; it is `inet` or `inet6`",
                echo(name)
            );
            sink.push(Diagnostic::error(Code::BadL3proto, span, message));
            None
        }
    }
}

fn layer4(name: &str, span: Span, sink: &mut Sink) -> Option<Spanned<HelperL4>> {
    match name {
        "tcp" => Some(Spanned::at(HelperL4::Tcp, span)),
        "udp" => Some(Spanned::at(HelperL4::Udp, span)),
        _ => {
            let message = format!(
                "{} is not a layer 4 protocol of helpers; it is `tcp` or `udp`",
                echo(name)
            );
            sink.push(suggest(
                Diagnostic::error(Code::BadL4proto, span, message),
                name,
                ["tcp", "udp"],
            ));
            None
        }
    }
}

fn policy(known: &KnownHelper, clauses: &Scope<'_>, sink: &mut Sink) -> HelperPolicy {
    let mut ours = Vec::new();
    for clause in &clauses.clauses {
        let Some((Value::Text(name), span)) = clause.args.first() else {
            continue;
        };
        if name != known.name {
            let message = format!("the helper `{}` has no policy {}", known.name, echo(name));
            let help = format!("its only policy is `{}`", known.name);
            sink.push(Diagnostic::error(Code::UnknownPolicy, *span, message).with_help(help));
            continue;
        }
        if clause.clauses.is_empty() && !sink.has_error_in(clause.whole) {
            let message = format!("the policy `{name}` sets nothing");
            let help = "give `ExpectMax` or `ExpectTimeout`, or leave the policy out";
            sink.push(Diagnostic::error(Code::EmptyPolicy, clause.head, message).with_help(help));
        }
        ours.extend(&clause.clauses);
    }
    let values = Scope::new(ours.into_iter());
    values.warn_repeats(sink);
    HelperPolicy {
        name: known.name,
        expect_max: values
            .number("ExpectMax")
            .map_or(Spanned::default_of(known.expect_max), |n| {
                n.map(|value| u8::try_from(value).unwrap_or(known.expect_max))
            }),
        expect_timeout_secs: values
            .number("ExpectTimeout")
            .unwrap_or(Spanned::default_of(known.expect_timeout_secs)),
    }
}
