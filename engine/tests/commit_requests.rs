//! What is asked for while a commit runs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{expecting, ftp, notrack, peer, tcp};
use engine::input::{ClientId, Input, KernelInput, Request, Table};
use engine::output::{Batch, FlowRequest, KernelOp, Output};
use engine::seq::Seq;
use engine::time::{Instant, UnixTime};
use engine::wire::{Change, EncodeOptions, Flags, Timeouts, WindowScales, encode_expectation, encode_flow};
use engine::{Engine, Seed};

/// What an engine asked for in one turn.
#[derive(Debug, Default)]
struct Asked {
    batch: Option<Batch>,
    /// Reports and the ends of replies.
    told: Vec<String>,
}

/// Hands `input` to the engine.
fn tell(engine: &mut Engine, input: Input<'_>) -> Asked {
    engine.handle_input(input, Instant::START);
    let mut asked = Asked::default();
    while let Some(output) = engine.poll_output() {
        match output {
            Output::Kernel(KernelOp::Batch(batch)) => assert!(asked.batch.replace(batch).is_none()),
            Output::Reply(ClientId(client), reply) => asked.told.push(format!("{client}: {reply:?}")),
            Output::Report(report) => asked.told.push(report.to_string()),
            Output::Send(..) | Output::Kernel(KernelOp::Dump { .. }) => {}
        }
    }
    asked
}

/// An engine whose peer has told it of a flow and an expectation.
fn backup() -> Engine {
    let config = expecting(notrack());
    let mut engine = Engine::new(config, Seed(3), UnixTime::from_secs(1_000), Instant::START);
    let options = EncodeOptions {
        timeouts: Timeouts::Send,
        window_scales: WindowScales::Omit,
    };
    let mut datagram = Vec::new();
    encode_flow(&mut datagram, Change::New, Flags::NONE, Seq(1), &tcp(1), options);
    encode_expectation(
        &mut datagram,
        Change::New,
        Flags::NONE,
        Seq(2),
        &ftp(1, 1),
        options,
    );
    tell(&mut engine, peer(&datagram));
    engine
}

fn done(batch: Batch) -> Input<'static> {
    Input::Kernel(KernelInput::BatchEnded { batch, failures: &[] })
}

#[test]
fn a_second_commit_and_a_flush_are_refused_until_both_parts_are_through() {
    let mut engine = backup();
    let commit = |client, table| Input::Request(ClientId(client), Request::Commit(table));
    let first = tell(&mut engine, commit(1, Table::Both));
    assert_eq!(first.told, ["committing all external caches"]);
    let flows = first.batch.unwrap();
    assert!(matches!(flows.requests[..], [FlowRequest::Create(_)]));

    let are_refused = |engine: &mut Engine| {
        for table in [Table::Flows, Table::Expectations, Table::Both] {
            let second = tell(engine, commit(2, table));
            assert!(second.batch.is_none(), "{table:?}");
            assert_eq!(
                second.told,
                ["commit already in progress, skipping", "2: End"],
                "{table:?}"
            );
        }
        let flush = Input::Request(ClientId(3), Request::FlushCache(None));
        let refused = ["ignoring flush command, commit still in progress", "3: End"];
        assert_eq!(tell(engine, flush).told, refused);
    };
    are_refused(&mut engine);
    let then = tell(&mut engine, done(flows));
    assert_eq!(
        then.told,
        ["Committed 1 new entries\ncommit has taken 0.000000 seconds"]
    );
    are_refused(&mut engine);
    let last = tell(&mut engine, done(then.batch.unwrap()));
    assert_eq!(
        last.told,
        [
            "Committed 1 new expectations\ncommit has taken 0.000000 seconds",
            "1: End"
        ]
    );
    let again = tell(&mut engine, commit(4, Table::Expectations));
    assert_eq!(again.told, ["committing expectation cache"]);
}

#[test]
fn a_commit_of_nothing_says_so_for_both_parts() {
    let config = expecting(notrack());
    let mut engine = Engine::new(config, Seed(3), UnixTime::from_secs(1_000), Instant::START);
    let both = Request::Commit(Table::Both);
    let asked = tell(&mut engine, Input::Request(ClientId(1), both));
    assert_eq!(
        asked.told,
        [
            "committing all external caches",
            "Committed 0 new entries\ncommit has taken 0.000000 seconds",
            "Committed 0 new expectations\ncommit has taken 0.000000 seconds",
            "1: End"
        ]
    );
}
