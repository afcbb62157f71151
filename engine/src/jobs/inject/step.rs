//! One flow on its way into the kernel.
//!
//! ```text
//! New ─────► Create ─ it exists ─┐        ┌─ alike ──► Overwrite ─ refused ─┐
//! Changed ─► Update ─ refused ───┼► Inspect                                 ├► Replace
//!    absent ──┘► Create          │        └─ another, or none ──────────────┘
//! Renewed ─► Renew ─ it exists ──┘
//! Ended ───► Delete
//! ```

use alloc::vec::Vec;

use crate::config::TcpWindowTracking;
use crate::flow::{Flow, Tuple};
use crate::input::Errno;
use crate::jobs::committed;
use crate::output::{FlowName, FlowRequest};

use super::pending::Told;

/// What the kernel is asked for next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Update,
    Delete,
    /// Delete whatever has the tuple, then create.
    Renew,
    /// Ask what is in the way.
    Inspect,
    /// Bring what is there to the wanted state.
    Overwrite,
    /// Delete what was found in the way, then create.
    Replace,
}

/// What became of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// More is to be asked.
    GoesOn,
    /// More is to be asked: the kernel did not take the flow with its master or its helper.
    GoesOnWithLess(Errno),
    /// The kernel has it: created in this way.
    Created,
    /// The kernel has it: what was there was changed in this way.
    Updated,
    /// The kernel has deleted it.
    Deleted,
    /// The kernel did not have what was to be deleted.
    WasGone,
    /// The kernel refuses.
    Refused(Errno),
}

/// One flow on its way into the kernel.
#[derive(Debug)]
pub(super) struct Injection {
    pub(super) told: Told,
    /// The flow as it is to be created.
    pub(super) wanted: Flow,
    step: Step,
    /// An update said that the flow is not there.
    was_absent: bool,
    /// The flow that has its original tuple, in either direction.
    at_orig: Option<Flow>,
    /// The flow that has its translated reply tuple, in either direction.
    at_reply: Option<Flow>,
}

impl Injection {
    /// Returns the way of a flow of which this was told.
    pub(super) fn new(told: Told, flow: &Flow, tracking: TcpWindowTracking) -> Self {
        let timeout_secs = committed::told_timeout_secs(flow);
        Self {
            told,
            wanted: committed::creation(flow, timeout_secs, tracking),
            step: match told {
                Told::New => Step::Create,
                Told::Changed => Step::Update,
                Told::Ended => Step::Delete,
                Told::Renewed => Step::Renew,
            },
            was_absent: false,
            at_orig: None,
            at_reply: None,
        }
    }

    /// Appends the next requests; the last of them decides.
    pub(super) fn ask(&self, requests: &mut Vec<FlowRequest>) {
        match self.step {
            Step::Create => requests.push(self.creation()),
            Step::Update => requests.push(FlowRequest::Update(committed::change(&self.wanted))),
            Step::Delete => requests.push(FlowRequest::Delete(self.name(self.wanted.orig))),
            Step::Renew => {
                requests.extend([FlowRequest::Delete(self.name(self.wanted.orig)), self.creation()])
            }
            Step::Inspect => {
                let reply = committed::reply_after_nat(&self.wanted);
                if reply != self.wanted.orig.mirrored() {
                    requests.push(FlowRequest::Get(self.name(reply)));
                }
                requests.push(FlowRequest::Get(self.name(self.wanted.orig)));
            }
            Step::Overwrite => requests.extend(self.overwriting().map(FlowRequest::Update)),
            Step::Replace => {
                let at_reply = self.at_reply.as_ref();
                let wrong = [
                    self.at_orig.as_ref(),
                    at_reply.filter(|flow| committed::is_answer_to(flow, &self.wanted)),
                ];
                let wrong = wrong.into_iter().flatten();
                requests.extend(wrong.map(|Flow { orig, zone, id, .. }| {
                    let (orig, zone, id) = (*orig, *zone, *id);
                    FlowRequest::Delete(FlowName { orig, zone, id })
                }));
                requests.push(self.creation());
            }
        }
    }

    /// Takes what the kernel has in its place.
    pub(super) fn answer(&mut self, flow: &Flow) {
        let orig = self.wanted.orig;
        let place = if flow.orig == orig || flow.reply == Some(orig) {
            &mut self.at_orig
        } else {
            &mut self.at_reply
        };
        *place = Some(flow.clone());
    }

    /// Goes on after the kernel's answer to the request that decides.
    pub(super) fn advance(&mut self, answer: Result<(), Errno>) -> Outcome {
        let next = match (self.step, answer) {
            (Step::Create | Step::Renew | Step::Replace, Ok(())) => return Outcome::Created,
            (Step::Update | Step::Overwrite, Ok(())) => return Outcome::Updated,
            (Step::Delete, Ok(())) => return Outcome::Deleted,
            (Step::Delete, Err(Errno::ENOENT)) => return Outcome::WasGone,
            (Step::Delete, Err(errno)) => return Outcome::Refused(errno),
            (Step::Update, Err(Errno::ENOENT)) => {
                self.was_absent = true;
                Step::Create
            }
            (Step::Create | Step::Renew, Err(Errno::EEXIST)) | (Step::Update, Err(_)) => Step::Inspect,
            (Step::Create | Step::Renew | Step::Replace, Err(errno)) => return self.lessen(errno),
            (Step::Inspect, _) if self.overwriting().is_some() => Step::Overwrite,
            (Step::Inspect, _) | (Step::Overwrite, Err(_)) => Step::Replace,
        };
        self.step = next;
        Outcome::GoesOn
    }

    /// Gives up what the kernel could not give the flow: its master is not there, or its helper is
    /// not known. The stream goes on all the same.
    fn lessen(&mut self, errno: Errno) -> Outcome {
        let is_lessened = match errno {
            Errno::ENOENT => self.wanted.master.take().is_some(),
            Errno::EOPNOTSUPP => self.wanted.helper.take().is_some(),
            _ => false,
        };
        if !is_lessened {
            return Outcome::Refused(errno);
        }
        if self.step == Step::Renew {
            self.step = Step::Create;
        }
        Outcome::GoesOnWithLess(errno)
    }

    /// Returns what the last request has made of the flow that was there.
    pub(super) fn updated(&self) -> Flow {
        let overwritten = match self.step {
            Step::Overwrite => self.overwriting(),
            Step::Create | Step::Update | Step::Delete | Step::Renew | Step::Inspect | Step::Replace => None,
        };
        committed::updated(overwritten.as_ref().unwrap_or(&self.wanted))
    }

    /// Returns what could not be done, as the stock daemon tells it.
    pub(super) const fn what_failed(&self) -> &'static str {
        match (self.told, self.step) {
            (_, Step::Delete) => "could not destroy ct entry",
            (Told::Changed, Step::Create) if self.was_absent => {
                "could not update ct entry, even if creating it instead"
            }
            (Told::Changed, Step::Replace) => "could not update ct entry, even when deleting it first",
            (Told::Changed, _) => "could not update ct entry",
            (_, Step::Replace) => "could not add new ct entry, even when deleting it first",
            (_, _) => "could not add new ct entry",
        }
    }

    /// Returns the request that changes what is there, if it is translated alike.
    ///
    /// A change is the peer's last word. A beginning is careful: it may be told by a peer that only
    /// copied the flow, while traffic goes through us.
    fn overwriting(&self) -> Option<Flow> {
        let present = self.at_orig.as_ref()?;
        let update = committed::update(present, &self.wanted)?;
        match self.told {
            Told::Changed => Some(Flow {
                proto: self.wanted.proto,
                timeout_secs: self.wanted.timeout_secs.filter(|_| !committed::is_fixed(present)),
                ..update
            }),
            Told::New | Told::Ended | Told::Renewed => Some(update),
        }
    }

    fn creation(&self) -> FlowRequest {
        FlowRequest::Create(self.wanted.clone())
    }

    fn name(&self, orig: Tuple) -> FlowName {
        FlowName {
            orig,
            zone: self.wanted.zone,
            id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Status, TcpState};
    use crate::testing::tcp;

    const REFUSED: Errno = Errno::EBUSY;

    fn injection(told: Told) -> Injection {
        let mut flow = tcp(1, TcpState::ESTABLISHED);
        flow.reply = None;
        Injection::new(told, &flow, TcpWindowTracking::Off)
    }

    fn at(step: Step) -> Injection {
        Injection {
            step,
            ..injection(Told::New)
        }
    }

    #[test]
    fn every_answer_at_every_step_leads_on_or_ends() {
        use Outcome::{Created, Deleted, GoesOn, Refused, Updated, WasGone};
        use Step::{Create, Delete, Inspect, Overwrite, Renew, Replace, Update};
        let (gone, exists, refused) = (Err(Errno::ENOENT), Err(Errno::EEXIST), Err(REFUSED));
        let table = [
            (Create, Ok(()), Created, Create),
            (Create, exists, GoesOn, Inspect),
            (Create, gone, Refused(Errno::ENOENT), Create),
            (Create, refused, Refused(REFUSED), Create),
            (Update, Ok(()), Updated, Update),
            (Update, gone, GoesOn, Create),
            (Update, exists, GoesOn, Inspect),
            (Update, refused, GoesOn, Inspect),
            (Delete, Ok(()), Deleted, Delete),
            (Delete, gone, WasGone, Delete),
            (Delete, exists, Refused(Errno::EEXIST), Delete),
            (Delete, refused, Refused(REFUSED), Delete),
            (Renew, Ok(()), Created, Renew),
            (Renew, exists, GoesOn, Inspect),
            (Renew, gone, Refused(Errno::ENOENT), Renew),
            (Renew, refused, Refused(REFUSED), Renew),
            (Inspect, Ok(()), GoesOn, Replace),
            (Inspect, gone, GoesOn, Replace),
            (Inspect, exists, GoesOn, Replace),
            (Inspect, refused, GoesOn, Replace),
            (Overwrite, Ok(()), Updated, Overwrite),
            (Overwrite, gone, GoesOn, Replace),
            (Overwrite, exists, GoesOn, Replace),
            (Overwrite, refused, GoesOn, Replace),
            (Replace, Ok(()), Created, Replace),
            (Replace, exists, Refused(Errno::EEXIST), Replace),
            (Replace, gone, Refused(Errno::ENOENT), Replace),
            (Replace, refused, Refused(REFUSED), Replace),
        ];
        for (step, answer, outcome, next) in table {
            let mut injection = at(step);
            assert_eq!(injection.advance(answer), outcome, "{step:?} × {answer:?}");
            assert_eq!(injection.step, next, "{step:?} × {answer:?}");
        }
    }

    #[test]
    fn what_is_there_and_translated_alike_is_overwritten_and_anything_else_replaced() {
        let present = committed::created(&injection(Told::New).wanted);
        let mut alike = at(Step::Inspect);
        alike.answer(&present);
        alike.advance(Ok(()));
        assert_eq!(alike.step, Step::Overwrite);

        let mut translated = present;
        translated.reply = Some(tcp(2, TcpState::ESTABLISHED).orig.mirrored());
        let mut otherwise = at(Step::Inspect);
        otherwise.answer(&translated);
        otherwise.advance(Ok(()));
        assert_eq!(otherwise.step, Step::Replace);
        let mut requests = Vec::new();
        otherwise.ask(&mut requests);
        assert!(
            matches!(requests[..], [FlowRequest::Delete(_), FlowRequest::Create(_)]),
            "{requests:?}"
        );
    }

    #[test]
    fn a_change_tells_nothing_of_the_translation_of_either_family() {
        for (orig, snat) in [("10.0.0.1", "203.0.113.1"), ("fd00::1", "fd00::2")] {
            let mut flow = tcp(1, TcpState::ESTABLISHED);
            if orig.contains(':') {
                let v6 = |text: &str| text.parse().unwrap();
                flow.orig.addrs = crate::flow::Addrs::V6 {
                    src: v6(orig),
                    dst: v6("fd00::9"),
                };
            }
            flow.reply = None;
            flow.nat.snat = Some(snat.parse().unwrap());
            flow.status = Some(Status::SEEN_REPLY | Status::SRC_NAT | Status::SRC_NAT_DONE);
            let injection = Injection::new(Told::Changed, &flow, TcpWindowTracking::Off);
            let mut requests = Vec::new();
            injection.ask(&mut requests);
            let [FlowRequest::Update(update)] = &requests[..] else {
                panic!("a change is one update: {requests:?}")
            };
            assert!(update.nat == crate::flow::Nat::NONE, "{update:?}");
            assert_eq!(
                update.status.unwrap() & (Status::SRC_NAT | Status::DST_NAT),
                Status::default()
            );
        }
    }

    #[test]
    fn a_flow_whose_master_is_not_there_goes_in_without() {
        let mut injection = injection(Told::New);
        injection.wanted.master = Some(tcp(9, TcpState::ESTABLISHED).orig);
        let gone = Err(Errno::ENOENT);
        assert_eq!(injection.advance(gone), Outcome::GoesOnWithLess(Errno::ENOENT));
        assert_eq!(
            injection.advance(gone),
            Outcome::Refused(Errno::ENOENT),
            "there is nothing more to give up"
        );
    }
}
