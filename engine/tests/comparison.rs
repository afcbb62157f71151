//! Comparisons of the internal cache with the kernel's table, and what they make good.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{Side, World, ftfw, tcp};
use engine::config::Config;
use engine::flow::Flow;
use engine::input::{CacheName, Errno, EventKind, Request, StatsTopic, Table};

#[test]
fn what_began_and_ended_without_an_event_is_found_by_the_next_comparison() {
    let mut world = World::new(Config {
        reconcile_period: Some(Duration::from_secs(300)),
        ..ftfw()
    });
    world.kernel(Side::A, EventKind::New, &tcp(1));
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.flows.clear();
    kernel.flows.insert((tcp(2).orig, None), tcp(2));
    world.advance(299_000);
    assert!(world.dump(Side::B, CacheName::External)[0].contains("sport=1 "));
    world.advance(2_000);
    let external = world.dump(Side::B, CacheName::External);
    assert!(
        external.len() == 1 && external[0].contains("sport=2 "),
        "{external:?}"
    );
}

/// `-f external` at the peer, and then the end of what it held.
#[test]
fn the_end_of_a_flow_that_the_peer_has_flushed_is_counted_there() {
    let mut world = World::new(ftfw());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(2_500);
    world.request(Side::B, Request::FlushCache(Some(CacheName::External)));
    world.kernel(Side::A, EventKind::Destroy, &tcp(1));
    world.advance(2_500);
    let client = world.request(Side::B, Request::Statistics(StatsTopic::Cache));
    let text = String::from_utf8(world.replies.remove(&client).unwrap()).unwrap();
    let (_, external) = text.split_once("external: CacheStats").unwrap();
    let (external, _) = external.split_once('}').unwrap();
    assert!(external.contains("destroy_not_found: 1"), "{external}");
}

#[test]
fn a_flow_that_the_kernel_cannot_tell_of_is_not_taken_for_dead() {
    let mut world = World::new(ftfw());
    for port in 1..=2 {
        world.kernel(Side::A, EventKind::New, &tcp(port));
    }
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.hides.insert(1, Some(Errno::ENOMEM));
    kernel.hides.insert(2, Some(Errno::ENOENT));
    world.request(Side::A, Request::ResyncKernel(Table::Flows));
    world.advance(1_000);
    for (side, cache) in [(Side::A, CacheName::Internal), (Side::B, CacheName::External)] {
        let left = world.dump(side, cache);
        assert!(left.len() == 1 && left[0].contains("sport=1 "), "{left:?}");
    }
}

#[test]
fn flows_in_zones_that_a_dump_left_out_are_asked_for_in_their_zones() {
    let mut world = World::new(ftfw());
    for zone in [1, 2] {
        let flow = Flow {
            zone: Some(zone),
            ..tcp(1)
        };
        world.kernel(Side::A, EventKind::New, &flow);
    }
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.hides.insert(1, None);
    world.request(Side::A, Request::ResyncKernel(Table::Flows));
    world.advance(1_000);
    assert_eq!(world.dump(Side::B, CacheName::External).len(), 2);
}

#[test]
fn what_was_flushed_after_a_commit_is_told_though_nobody_reads_it_again() {
    let mut world = World::new(ftfw());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(2_500);
    world.request(Side::B, Request::Commit(Table::Both));
    world.request(Side::B, Request::FlushCache(None));
    world.request(Side::A, Request::RequestResync);
    assert!(world.dump(Side::A, CacheName::External).is_empty());
    world.advance(1_500);
    assert_eq!(world.dump(Side::A, CacheName::External).len(), 1);
}
