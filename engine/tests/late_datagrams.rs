//! Stories of datagrams that come late: after what they told of has ended.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::cell::RefCell;
use std::rc::Rc;

use common::{Side, World, check, ftfw, tcp};
use engine::input::{CacheName, EventKind};

/// What nodes have sent, in order.
type Sent = Rc<RefCell<Vec<(Side, Vec<u8>)>>>;

/// Records what is sent from here on; what A sends is lost at the places that `is_lost` names.
fn record(world: &mut World, is_lost: fn(usize) -> bool) -> Sent {
    let sent = Sent::default();
    let record = Rc::clone(&sent);
    let mut n_from_a = 0;
    world.lose(move |from, payload| {
        record.borrow_mut().push((from, payload.to_vec()));
        n_from_a += usize::from(from == Side::A);
        from == Side::A && is_lost(n_from_a - 1)
    });
    sent
}

fn first_of_a(sent: &Sent) -> Vec<u8> {
    let sent = sent.borrow();
    let (_, payload) = sent.iter().find(|(from, _)| *from == Side::A).unwrap();
    payload.clone()
}

/// Lets enough time pass for what nobody names to be dropped; the story ends a little later than here.
fn settle(world: &mut World) -> Vec<String> {
    world.advance(2_500);
    let trace = world.take_trace();
    world.advance(25_000);
    world.put_trace(trace);
    world.dump(Side::B, CacheName::External)
}

#[test]
fn a_greeting_that_comes_again_late_revives_no_flow_that_has_ended() {
    let mut world = World::new(ftfw());
    let sent = record(&mut world, |_| false);
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.kernel(Side::A, EventKind::New, &tcp(2));
    world.advance(2_500);
    world.kernel(Side::A, EventKind::Destroy, &tcp(1));
    world.advance(2_000);
    world.take_trace();
    world.datagram(Side::B, &first_of_a(&sent));
    let left = settle(&mut world);
    assert!(left.len() == 1 && left[0].contains("sport=2 "), "{left:#?}");
    check("late_greeting", world);
}

#[test]
fn what_was_on_its_way_to_the_process_before_does_not_stay() {
    let mut world = World::new(ftfw());
    world.kernel(Side::A, EventKind::New, &tcp(2));
    world.advance(2_500);
    let sent = record(&mut world, |n| n == 0);
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.kernel(Side::A, EventKind::Destroy, &tcp(1));
    world.advance(2_500);
    world.take_trace();
    world.start(Side::B, ftfw());
    world.datagram(Side::B, &first_of_a(&sent));
    let left = settle(&mut world);
    assert!(left.len() == 1 && left[0].contains("sport=2 "), "{left:#?}");
    check("late_for_the_process_before", world);
}

#[test]
fn a_restart_without_a_loss_is_asked_for_its_flows_once() {
    let mut world = World::new(ftfw());
    for port in 1..=3 {
        world.kernel(Side::A, EventKind::New, &tcp(port));
    }
    world.advance(2_500);
    for side in [Side::A, Side::B] {
        world.reports.clear();
        world.start(side, ftfw());
        // Told before the greeting of B has arrived.
        world.kernel(Side::A, EventKind::Update, &tcp(1));
        world.advance(30_000);
        let asked = |report: &&String| *report == "a: report: resync requested by other node";
        let n_asked = world.reports.iter().filter(asked).count();
        assert!(n_asked <= 1, "{side:?}: {:#?}", world.reports);
        assert_eq!(world.dump(Side::B, CacheName::External).len(), 3);
    }
}
