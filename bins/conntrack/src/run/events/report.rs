//! What is told of events, and how many were.

use engine::flow::query::Query;
use engine::flow::{Event, LabelNames};
use engine::input::EventKind;
use engine::time::UnixTime;
use io::ctnetlink::decode::{decode_event_time, decode_expectation, decode_flow};
use io::ctnetlink::{DecodeError, Message};

use super::requester::Requesters;
use crate::command::{Format, Output};
use crate::render::{Circumstances, Occasion, Printer, Table};

/// Gathers the lines of events.
pub(super) struct Report<'a> {
    printer: Printer<'a>,
    format: Format,
    query: Option<&'a Query>,
    requesters: Requesters,
    lines: Vec<u8>,
    n_shown: u64,
    n_skipped: u64,
}

impl<'a> Report<'a> {
    /// Returns one without lines, of those flows that `query` takes.
    pub(super) fn of_flows(output: &Output, query: &'a Query, labels: Option<&'a dyn LabelNames>) -> Self {
        let printer = Printer::new(output, Table::Flows, labels);
        Self::new(output, printer, Some(query))
    }

    /// Returns one without lines, of all expectations.
    pub(super) fn of_expectations(output: &Output) -> Self {
        let printer = Printer::new(output, Table::Expectations, None);
        Self::new(output, printer, None)
    }

    fn new(output: &Output, printer: Printer<'a>, query: Option<&'a Query>) -> Self {
        Self {
            printer,
            format: output.format,
            query,
            requesters: Requesters::default(),
            lines: Vec::new(),
            n_shown: 0,
            n_skipped: 0,
        }
    }

    /// Appends what stands before the first event.
    pub(super) fn begin(&mut self) {
        self.printer.begin(&mut self.lines);
    }

    /// Appends what stands behind the last event.
    pub(super) fn end(&mut self) {
        self.printer.end(&mut self.lines);
    }

    /// Appends the event of a message, if it is one and wanted, which was read at `now`.
    pub(super) fn message(&mut self, message: &Message<'_>, now: UnixTime) -> Result<(), DecodeError> {
        match message {
            Message::Flow {
                kind, port_id, body, ..
            } => {
                let flow = decode_flow(body)?;
                if self.query.is_some_and(|query| !query.matches(&flow)) {
                    return Ok(());
                }
                let told_at = decode_event_time(body)?;
                let circumstances = Circumstances {
                    occasion: occasion(*kind),
                    at: told_at.map_or(now, |nanos| UnixTime::from_micros(nanos / 1000)),
                    requester: self.requesters.of(*port_id),
                };
                self.printer.flow(&mut self.lines, &flow, &circumstances);
            }
            Message::Expect {
                kind, port_id, body, ..
            } => {
                let expectation = decode_expectation(body)?;
                // The stock notations of expectations have no place for it.
                let requester = match self.format {
                    Format::Json => self.requesters.of(*port_id),
                    Format::Plain | Format::Save | Format::Xml => None,
                };
                let circumstances = Circumstances {
                    occasion: occasion(*kind),
                    at: now,
                    requester,
                };
                let lines = &mut self.lines;
                self.printer.expectation(lines, &expectation, &circumstances);
            }
            Message::Done { .. } | Message::Ack { .. } | Message::Error { .. } | Message::Other { .. } => {
                return Ok(());
            }
        }
        self.n_shown = self.n_shown.saturating_add(1);
        Ok(())
    }

    /// Counts events of which nothing can be told.
    pub(super) fn skip(&mut self, n: usize) {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        self.n_skipped = self.n_skipped.saturating_add(n);
    }

    /// Returns the lines that are to be written; the caller clears them.
    pub(super) const fn lines(&mut self) -> &mut Vec<u8> {
        &mut self.lines
    }

    /// Returns how many events have a line.
    pub(super) const fn n_shown(&self) -> u64 {
        self.n_shown
    }

    /// Returns of how many nothing could be told.
    pub(super) const fn n_skipped(&self) -> u64 {
        self.n_skipped
    }
}

const fn occasion(kind: EventKind) -> Occasion {
    Occasion::Event(match kind {
        EventKind::New => Event::New,
        EventKind::Update => Event::Update,
        EventKind::Destroy => Event::Destroy,
    })
}
