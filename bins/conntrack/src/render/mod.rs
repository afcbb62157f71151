//! Entries and counters as a person or a program wants to read them.
//!
//! A command makes one [`Printer`], calls [`Printer::begin`], appends every entry to its buffer, and calls
//! [`Printer::end`]. Lines and elements are the engine's; JSON is described in docs/conntrack-json.md.

mod json;
mod local;
#[cfg(test)]
mod tests;

use engine::flow::save::{SaveLine, Verb};
use engine::flow::text::{self, ExpectationLine, FlowLine, Prefix, Timeout};
use engine::flow::xml::{self, ExpectationElement, FlowElement, Times};
use engine::flow::{Event, Expectation, Flow, LabelNames, LocalTime as _, Requester};
use engine::time::UnixTime;

use crate::command::{Format, Output};
use local::Zone;

/// Why an entry is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// Somebody asked for it (`-L`, `-G`).
    Listed,
    /// The command has changed it (`-U`).
    Updated,
    /// The command has deleted it (`-D`).
    Deleted,
    /// The kernel told of it (`-E`).
    Event(Event),
}

/// What is known of an entry beside what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Why it is printed.
    pub occasion: Occasion,
    /// When the event happened as the kernel tells it (`CTA_TIMESTAMP_EVENT`); if it does not, and for all
    /// that is no event, when it was read.
    pub at: UnixTime,
    /// Who caused the event.
    pub requester: Option<Requester<'a>>,
}

impl Circumstances<'_> {
    /// Returns what happened, if that is why the entry is printed.
    const fn event(&self) -> Option<Event> {
        match self.occasion {
            Occasion::Event(event) => Some(event),
            Occasion::Listed | Occasion::Updated | Occasion::Deleted => None,
        }
    }
}

/// What the entries are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Flows.
    Flows,
    /// Expectations.
    Expectations,
}

impl Table {
    /// Returns the lines around the entries of a document.
    const fn document(self) -> (&'static str, &'static str) {
        match self {
            Self::Flows => (
                "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n",
                "</conntrack>\n",
            ),
            Self::Expectations => (
                "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<expect>\n",
                "</expect>\n",
            ),
        }
    }
}

/// Prints the entries of one command, each as a line with its end.
#[derive(Clone, Debug)]
pub struct Printer<'a> {
    output: Output,
    table: Table,
    labels: Option<&'a dyn LabelNames>,
    zone: Zone,
}

impl<'a> Printer<'a> {
    /// Returns a printer of that table, in the local time zone.
    ///
    /// Plain lines and XML name labels only if `output.labels` asks for it; saved lines and JSON use the
    /// names whenever `labels` are given, and numbers otherwise.
    #[must_use]
    pub fn new(output: &Output, table: Table, labels: Option<&'a dyn LabelNames>) -> Self {
        Self {
            output: *output,
            table,
            labels,
            zone: Zone::system(output),
        }
    }

    /// Appends what stands before the first entry.
    pub fn begin(&self, out: &mut Vec<u8>) {
        if self.output.format == Format::Xml {
            out.extend_from_slice(self.table.document().0.as_bytes());
        }
    }

    /// Appends what stands behind the last entry.
    pub fn end(&self, out: &mut Vec<u8>) {
        if self.output.format == Format::Xml {
            out.extend_from_slice(self.table.document().1.as_bytes());
        }
    }

    /// Appends a flow.
    pub fn flow(&self, out: &mut Vec<u8>, flow: &Flow, circumstances: &Circumstances<'_>) {
        match self.output.format {
            Format::Plain => self.flow_line(out, flow, circumstances),
            Format::Xml => self.flow_element(out, flow, circumstances),
            Format::Save => {
                let verb = match circumstances.occasion {
                    Occasion::Listed | Occasion::Updated | Occasion::Event(Event::New) => Verb::Add,
                    Occasion::Event(Event::Update) => Verb::Update,
                    Occasion::Deleted | Occasion::Event(Event::Destroy) => Verb::Delete,
                };
                let labels = self.labels;
                SaveLine { flow, verb, labels }.write_to(out);
            }
            Format::Json => json::flow(out, flow, self.labels, circumstances),
        }
        out.push(b'\n');
    }

    /// Appends an expectation; it has no saved form and is printed as a plain line instead.
    pub fn expectation(
        &self,
        out: &mut Vec<u8>,
        expectation: &Expectation,
        circumstances: &Circumstances<'_>,
    ) {
        let timeout = Timeout::Shown;
        match self.output.format {
            Format::Plain | Format::Save => {
                let prefix = Prefix {
                    // Of expectations, listed ones are stamped too.
                    stamp: self.output.timestamp.then_some(circumstances.at),
                    ..self.prefix(circumstances)
                };
                prefix.write_to(out);
                ExpectationLine { expectation, timeout }.write_to(out);
                if let Some(requester) = circumstances.requester {
                    requester.write_to(out);
                }
            }
            Format::Xml => {
                let details = self.element_details(circumstances);
                ExpectationElement { expectation, timeout }
                    .with(&details)
                    .write_to(out);
            }
            Format::Json => json::expectation(out, expectation, circumstances),
        }
        out.push(b'\n');
    }

    /// Appends the counters of one CPU, in the order given.
    pub fn counters(&self, out: &mut Vec<u8>, cpu: u16, counters: &[(&str, u64)]) {
        if self.output.format == Format::Json {
            json::counters(out, cpu, counters);
        } else {
            out.extend_from_slice(format!("cpu={cpu:<4}\t").as_bytes());
            for (name, count) in counters {
                out.extend_from_slice(format!("{name}={count} ").as_bytes());
            }
        }
        out.push(b'\n');
    }

    fn flow_line(&self, out: &mut Vec<u8>, flow: &Flow, circumstances: &Circumstances<'_>) {
        let details = text::Details {
            family: self.output.extended,
            id: self.output.id,
            times: match self.times(circumstances) {
                Times::Shown => Some(&self.zone),
                Times::Hidden => None,
            },
            labels: self.label_names(circumstances),
        };
        let line = FlowLine {
            flow,
            timeout: Timeout::Shown,
            now: circumstances.at,
        };
        self.prefix(circumstances).write_to(out);
        line.with(&details).write_to(out);
        if let Some(requester) = circumstances.requester {
            requester.write_to(out);
        }
    }

    fn flow_element(&self, out: &mut Vec<u8>, flow: &Flow, circumstances: &Circumstances<'_>) {
        let details = self.element_details(circumstances);
        let element = FlowElement {
            flow,
            timeout: Timeout::Shown,
            now: circumstances.at,
        };
        element.with(&details).write_to(out);
    }

    fn prefix(&self, circumstances: &Circumstances<'_>) -> Prefix {
        let event = circumstances.event();
        Prefix {
            stamp: event.and(self.output.timestamp.then_some(circumstances.at)),
            event,
        }
    }

    fn element_details<'c>(&self, circumstances: &Circumstances<'c>) -> xml::Details<'c>
    where
        'a: 'c,
    {
        let event = circumstances.event();
        xml::Details {
            event,
            when: event
                .filter(|_| self.output.timestamp)
                .map(|_| self.zone.local(circumstances.at.whole_secs())),
            times: self.times(circumstances),
            labels: self.label_names(circumstances),
            requester: circumstances.requester,
        }
    }

    /// What a command did to a flow is told without its times, as the stock program does.
    const fn times(&self, circumstances: &Circumstances<'_>) -> Times {
        match circumstances.occasion {
            Occasion::Listed | Occasion::Event(_) if self.output.ktimestamp => Times::Shown,
            Occasion::Listed | Occasion::Event(_) | Occasion::Updated | Occasion::Deleted => Times::Hidden,
        }
    }

    /// A deleted flow is told without its labels, as the stock program does.
    fn label_names(&self, circumstances: &Circumstances<'_>) -> Option<&'a dyn LabelNames> {
        let is_asked = self.output.labels && circumstances.occasion != Occasion::Deleted;
        self.labels.filter(|_| is_asked)
    }
}
