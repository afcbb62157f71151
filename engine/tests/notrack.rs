//! NOTRACK on a wild link: what arrives counts, and what does not is counted.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use common::{Side, World, expecting, ftp, notrack, tcp};
use engine::input::{CacheName, EventKind, Request, StatsTopic, Table};
use engine::wire::{self, Change, Content};
use proptest::prelude::*;

/// Something that happens to node A, or to what it sends to B.
#[derive(Clone, Debug)]
enum Step {
    /// The flow from this port begins, or changes if it is there.
    Told(u16),
    Ended(u16),
    /// The flow from the first port foretells one to the second, or no longer does.
    Foretold(u16, u16),
    Pass(u64),
    /// A datagram that was sent long ago comes once more or for the first time.
    Late(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..8_u16).prop_map(Step::Told),
        3 => (0..8_u16).prop_map(Step::Ended),
        3 => (0..8_u16, 0..4_u16).prop_map(|(master, port)| Step::Foretold(master, 10 * master + port)),
        3 => (1..1_500_u64).prop_map(Step::Pass),
        1 => (0..50_usize).prop_map(Step::Late),
    ]
}

/// What A sent and what of it came to B, by number; what B should know by now.
#[derive(Debug, Default)]
struct Link {
    sent: Vec<Vec<u8>>,
    all: BTreeSet<u32>,
    arrived: BTreeSet<u32>,
    external: BTreeSet<u16>,
    /// Each expected port with that of its master.
    expected: BTreeMap<u16, u16>,
}

impl Link {
    fn arrive(&mut self, payload: &[u8]) {
        for message in wire::messages(payload).flatten() {
            self.arrived.insert(message.header.seq.0);
            match message.content() {
                Ok(Content::Flow(change)) => {
                    let flow = wire::decode_flow(message.body, 0).unwrap().flow;
                    self.tell(change, flow.orig.ports().unwrap().0);
                }
                Ok(Content::Expectation(change)) => {
                    let decoded = wire::decode_expectation(message.body, 0).unwrap();
                    let (_, port) = decoded.expectation.tuple.ports().unwrap();
                    let (master, _) = decoded.expectation.master.ports().unwrap();
                    match change {
                        Change::New | Change::Update => self.expected.insert(port, master),
                        Change::Delete => self.expected.remove(&port),
                    };
                }
                _ => {}
            }
        }
    }

    fn tell(&mut self, change: Change, port: u16) {
        match change {
            Change::New | Change::Update => {
                self.external.insert(port);
            }
            Change::Delete => {
                self.external.remove(&port);
                self.expected.retain(|_, master| *master != port);
            }
        }
    }
}

/// Plays the steps while the link loses what `losses` says; returns the world at rest.
fn play(steps: &[Step], losses: &[bool], link: &Rc<RefCell<Link>>) -> World {
    let mut world = World::new(expecting(notrack()));
    let mut losses = losses.to_vec();
    let wire = Rc::clone(link);
    let mut is_first = true;
    world.lose(move |from, payload| {
        if from == Side::B {
            return false;
        }
        let mut link = wire.borrow_mut();
        link.sent.push(payload.to_vec());
        let messages = wire::messages(payload).flatten();
        link.all.extend(messages.map(|message| message.header.seq.0));
        // Of what is lost before the first message nobody can know.
        let is_lost = !std::mem::take(&mut is_first) && losses.pop().unwrap_or(false);
        if !is_lost {
            link.arrive(payload);
        }
        is_lost
    });
    for step in steps {
        match step {
            Step::Told(port) => {
                let is_there = world.kernels[&Side::A]
                    .flows
                    .contains_key(&(tcp(*port).orig, None));
                let kind = if is_there {
                    EventKind::Update
                } else {
                    EventKind::New
                };
                world.kernel(Side::A, kind, &tcp(*port));
            }
            Step::Ended(port) => world.kernel(Side::A, EventKind::Destroy, &tcp(*port)),
            Step::Foretold(master, port) => {
                let kernel = &world.kernels[&Side::A];
                let expectation = ftp(*master, *port);
                let has_master = kernel.flows.contains_key(&(expectation.master, None));
                let kind = if kernel.expectations.contains_key(&expectation.tuple) {
                    EventKind::Destroy
                } else {
                    EventKind::New
                };
                if has_master {
                    world.expect(Side::A, kind, &expectation);
                }
            }
            Step::Pass(millis) => world.advance(*millis),
            Step::Late(nth) => {
                let late = link.borrow().sent.get(*nth).cloned();
                if let Some(payload) = late {
                    link.borrow_mut().arrive(&payload);
                    world.datagram(Side::B, &payload);
                }
            }
        }
    }
    // The rest of the losses hits signs of life; then one comes through.
    world.advance(300_000);
    world
}

fn n_lost(world: &mut World) -> usize {
    let client = world.request(Side::B, Request::Statistics(StatsTopic::Network));
    let text = String::from_utf8(world.replies.remove(&client).unwrap()).unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("lost: "));
    line.unwrap().trim_end_matches(',').parse().unwrap()
}

/// The first number of this name in each line.
fn numbers(name: &str, lines: &[String]) -> BTreeSet<u16> {
    let number = |line: &String| line.split(name).nth(1)?.split(' ').next()?.parse().ok();
    lines.iter().map(|line| number(line).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_arrives_is_known_and_every_message_that_does_not_is_counted(
        steps in prop::collection::vec(step(), 0..60),
        losses in prop::collection::vec(prop::bool::weighted(0.3), 0..100),
    ) {
        let link = Rc::<RefCell<Link>>::default();
        let mut world = play(&steps, &losses, &link);
        let external = numbers("sport=", &world.dump(Side::B, CacheName::External));
        let expected = numbers(
            "dport=",
            &world.dump_table(Side::B, CacheName::External, Table::Expectations),
        );
        let counted = n_lost(&mut world);
        let link = link.borrow();
        prop_assert_eq!(&external, &link.external);
        prop_assert_eq!(expected, link.expected.keys().copied().collect());
        let lost = link.all.difference(&link.arrived).count();
        let is_in_order = !steps.iter().any(|step| matches!(step, Step::Late(_)));
        if is_in_order && lost == 0 {
            let kernel = world.kernels[&Side::A].flows.keys();
            let told = kernel.map(|(tuple, _)| tuple.ports().unwrap().0).collect();
            prop_assert_eq!(external, told, "nothing was lost, so nothing differs");
        }
        prop_assert!(counted == lost || (counted > lost && !is_in_order), "{counted} counted of {lost}");
    }
}
