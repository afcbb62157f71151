//! The event socket: what a daemon hears of its kernel, as long as it reads fast enough.

use std::collections::VecDeque;

use engine::flow::{Expectation, Flow};
use engine::input::{EventKind, Origin};
use engine::time::Instant;

/// What an event is about.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Flow(Box<Flow>),
    Expectation(Box<Expectation>),
}

/// An event.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) origin: Origin,
    pub(crate) subject: Subject,
}

/// What a read of the event socket gives.
#[derive(Clone, Debug)]
pub(crate) enum Read {
    Event(Event),
    Overrun,
}

/// The socket through which a daemon hears of changes.
#[derive(Debug)]
pub(super) struct EventSocket {
    events: VecDeque<Event>,
    len_max: usize,
    is_overrun: bool,
    /// Until then no event fits, as if the buffer were full.
    deaf_until: Instant,
}

impl EventSocket {
    /// Opens a socket with room for `len_max` unread events.
    pub(super) const fn new(len_max: usize, now: Instant) -> Self {
        Self {
            events: VecDeque::new(),
            len_max,
            is_overrun: false,
            deaf_until: now,
        }
    }

    /// Loses all events until `until`.
    pub(super) const fn deafen(&mut self, until: Instant) {
        self.deaf_until = until;
    }

    pub(super) fn tell(&mut self, event: Event, now: Instant) {
        if self.events.len() >= self.len_max || now < self.deaf_until {
            self.is_overrun = true;
        } else {
            self.events.push_back(event);
        }
    }

    /// Returns what comes next: a loss is told first, then the events that did fit.
    pub(super) fn read(&mut self) -> Option<Read> {
        if std::mem::take(&mut self.is_overrun) {
            return Some(Read::Overrun);
        }
        self.events.pop_front().map(Read::Event)
    }

    pub(super) fn has_unread(&self) -> bool {
        self.is_overrun || !self.events.is_empty()
    }
}
