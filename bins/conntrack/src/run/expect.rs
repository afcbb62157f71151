//! The table of expectations: `-L`, `-G`, `-I`, `-D`, `-F`, `-C`, `-S` with `expect`.

use engine::flow::{Expectation, Family, Tuple};
use engine::input::Errno;
use engine::output::ExpectRequest;
use io::ctnetlink::decode::decode_expectation;
use io::ctnetlink::encode::{Edit, List};
use io::ctnetlink::{DumpAhead, KernelFilter, Message};

use super::create::single;
use super::failure::{Failure, Task};
use super::list::{next_part, now};
use super::sink::Sink;
use super::{Done, counters, events, watch};
use crate::command::{ExpectCommand, Output};
use crate::render::{Occasion, Printer, Table};

pub(super) fn run(command: ExpectCommand, sink: &mut Sink) -> Result<Done, Failure> {
    match command {
        ExpectCommand::List(family, output) => {
            let n = list(family, &output, sink)?;
            Ok(Done::counted(n, "expectations have been shown."))
        }
        ExpectCommand::Get(tuple, output) => {
            let expectation = get(&tuple)?;
            let printer = Printer::new(&output, Table::Expectations, None);
            printer.begin(sink.buffer());
            printer.expectation(sink.buffer(), &expectation, &now(Occasion::Listed));
            printer.end(sink.buffer());
            sink.flush()?;
            Ok(Done::SILENT)
        }
        ExpectCommand::Delete(tuple) => {
            // Its tuple in full: the kernel looks for one that equals it.
            let expectation = get(&tuple)?;
            one(Task::Expect, &ExpectRequest::Delete(Box::new(expectation)))?;
            Ok(Done::counted(1, "expectations have been deleted."))
        }
        ExpectCommand::Create(expectation) => {
            create(*expectation)?;
            Ok(Done::SILENT)
        }
        ExpectCommand::Flush => {
            one(Task::Expect, &ExpectRequest::Flush)?;
            Ok(Done::said("expectation table has been emptied."))
        }
        ExpectCommand::Count => {
            let mut n = 0_u64;
            each(None, |_| n += 1)?;
            sink.text(&format!("{n}\n"))?;
            Ok(Done::SILENT)
        }
        ExpectCommand::Stats(output) => {
            counters::of_expectations(&output, sink)?;
            Ok(Done::SILENT)
        }
        ExpectCommand::Events(output) => {
            let n = watch(sink, |console| events::expectations(&output, console))?;
            Ok(Done::counted(n, "expectation events have been shown."))
        }
    }
}

fn list(family: Option<Family>, output: &Output, sink: &mut Sink) -> Result<u64, Failure> {
    let printer = Printer::new(output, Table::Expectations, None);
    let circumstances = now(Occasion::Listed);
    let mut n_shown = 0;
    printer.begin(sink.buffer());
    each(family, |expectation| {
        printer.expectation(sink.buffer(), expectation, &circumstances);
        n_shown += 1;
    })?;
    printer.end(sink.buffer());
    sink.flush()?;
    Ok(n_shown)
}

/// Hands over the expectations of a family, or of both.
fn each(family: Option<Family>, mut on_expectation: impl FnMut(&Expectation)) -> Result<(), Failure> {
    let filter = KernelFilter {
        family,
        ..KernelFilter::default()
    };
    let dump = DumpAhead::start(List::Expectations, &filter);
    let mut dump = dump.map_err(|error| Failure::netlink(Task::Expect, error))?;
    loop {
        let is_last = next_part(&mut dump, Task::Expect, |message| {
            if let Message::Expect { body, .. } = message {
                on_expectation(&decode_expectation(&body)?);
            }
            Ok(())
        })?;
        if is_last {
            return Ok(());
        }
    }
}

/// Asks for the expectation that covers `tuple`.
fn get(tuple: &Tuple) -> Result<Expectation, Failure> {
    let task = Task::Expect;
    let mut socket = super::requests(task)?;
    let (mut found, mut failures) = (None, Vec::new());
    let on_answer = |_, body: &io::ctnetlink::Body<'_>| {
        found = Some(decode_expectation(body)?);
        Ok(())
    };
    socket
        .edit(&[Edit::GetExpectation(tuple)], on_answer, &mut failures)
        .map_err(|error| Failure::netlink(task, error))?;
    let errno = failures.first().map_or(Errno::ENOENT, |failure| failure.errno);
    found.ok_or(Failure::Kernel { task, errno })
}

/// Creates an expectation. The kernel gives it the lifetime of its helper's policy; the one asked for
/// is set by a second request.
fn create(expectation: Expectation) -> Result<(), Failure> {
    let expectation = Box::new(expectation);
    one(Task::CreateExpect, &ExpectRequest::Create(expectation.clone()))?;
    one(Task::CreateExpect, &ExpectRequest::Update(expectation))
}

fn one(task: Task, request: &ExpectRequest) -> Result<(), Failure> {
    single(task, &Edit::Expectation(request))
}
