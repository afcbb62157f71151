//! RESYNC: what a peer that asks for everything gets, and how it asks again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::cell::Cell;
use std::rc::Rc;

use common::{FTFW, Side, World, config, ftfw, tcp};
use engine::config::{FtfwConfig, Mode, StartupResync};
use engine::input::{EventKind, Request};
use engine::wire::{self, Content};

#[test]
fn bulks_that_are_asked_for_while_one_runs_become_one_more() {
    let mut world = World::new(ftfw());
    for port in 1..=3 {
        world.kernel(Side::A, EventKind::New, &tcp(port));
    }
    world.advance(2_500);
    let n_told = Rc::<Cell<u32>>::default();
    let counter = Rc::clone(&n_told);
    world.lose(move |from, payload| {
        let is_flow = |message: &wire::MessageView<'_>| matches!(message.content(), Ok(Content::Flow(_)));
        let n = wire::messages(payload).flatten().filter(is_flow).count();
        counter.set(counter.get() + u32::try_from(n).unwrap());
        assert!(from == Side::A || n == 0);
        false
    });
    for _ in 0..10 {
        world.request(Side::B, Request::RequestResync);
    }
    world.advance(2_000);
    assert_eq!(n_told.get(), 6, "three flows, twice");
}

#[test]
fn a_request_that_is_sent_again_greets_nobody() {
    let mut world = World::new(ftfw());
    // The numbers of the first process are ahead of those of the second.
    for port in 1..=10 {
        world.kernel(Side::B, EventKind::New, &tcp(port));
    }
    world.advance(2_500);
    let is_request = |message: wire::MessageView<'_>| matches!(message.content(), Ok(Content::Resync));
    world.lose(move |from, payload| from == Side::B && wire::messages(payload).flatten().any(is_request));
    let asking = FtfwConfig {
        startup_resync: StartupResync::On,
        ..FTFW
    };
    world.take_trace();
    world.start(Side::B, config(Mode::Ftfw(asking)));
    world.advance(2_500);
    let greeting = world.take_trace();
    assert!(
        greeting.contains("RESYNC seq 6002 HELLO   lost") && greeting.contains("HELLO_BACK"),
        "{greeting}"
    );
    world.heal();
    world.advance(10_000);
    let again = world.take_trace();
    assert!(
        again.contains("b→a  RESYNC") && !again.contains("HELLO"),
        "{again}"
    );
}
