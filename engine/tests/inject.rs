//! Flows of the peer go into the kernel as they are told: the kernel ends as the peer last told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

use common::{Kernel, Side, World, check, describe, ftfw, notrack, peer, tcp};
use engine::config::{Config, PeerFlows};
use engine::flow::{Flow, HelperName, Nat, ProtoState, Status, Tcp, TcpState};
use engine::input::{
    CacheName, ClientId, DumpFormat, Errno, EventKind, Input, KernelInput, LinkEvent, Origin, Request,
    RequestFailure, StatsTopic, Table,
};
use engine::output::{Batch, FlowRequest, KernelOp, Output, Reply};
use engine::seq::Seq;
use engine::stats::{InjectStats, Statistics};
use engine::time::{Instant, UnixTime};
use engine::wire::{Change, EncodeOptions, Flags, Timeouts, WindowScales, encode_flow};
use engine::{Engine, Seed};
use proptest::prelude::*;

fn injecting(config: Config) -> Config {
    Config {
        peer_flows: PeerFlows::Injected,
        ..config
    }
}

/// A node that injects, its kernel, and the batches that the kernel has not come to.
struct Node {
    engine: Engine,
    kernel: Kernel,
    batches: VecDeque<Batch>,
    sent: Vec<String>,
    reports: Vec<String>,
    statistics: Option<Box<Statistics>>,
    /// What clients were told.
    text: String,
    seq: u32,
}

impl Node {
    fn new(config: Config) -> Self {
        let wall = UnixTime::from_secs(1_000);
        let mut node = Self {
            engine: Engine::new(config, Seed(3), wall, Instant::START),
            kernel: Kernel::default(),
            batches: VecDeque::new(),
            sent: Vec::new(),
            reports: Vec::new(),
            statistics: None,
            text: String::new(),
            seq: 0,
        };
        node.drain();
        node
    }

    fn input(&mut self, input: Input<'_>) {
        self.engine.handle_input(input, Instant::START);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            let input = match output {
                Output::Send(channel, payload) => {
                    self.sent.push(describe(&payload));
                    Input::Link(channel, LinkEvent::Sent(payload))
                }
                Output::Kernel(KernelOp::Dump { id, .. }) => Input::Kernel(KernelInput::DumpEnded {
                    dump: id,
                    error: None,
                }),
                Output::Kernel(KernelOp::Batch(batch)) => {
                    self.batches.push_back(batch);
                    continue;
                }
                Output::Report(report) => {
                    self.reports.push(report.to_string());
                    continue;
                }
                Output::Reply(_, Reply::Statistics(_, statistics)) => {
                    self.statistics = Some(statistics);
                    continue;
                }
                Output::Reply(_, Reply::Text(text)) => {
                    self.text += &String::from_utf8(text).unwrap();
                    continue;
                }
                Output::Reply(..) => continue,
            };
            self.engine.handle_input(input, Instant::START);
        }
    }

    /// The peer tells of a flow.
    fn tell(&mut self, change: Change, flow: &Flow) {
        let options = EncodeOptions {
            timeouts: Timeouts::Send,
            window_scales: WindowScales::Omit,
        };
        let mut payload = Vec::new();
        encode_flow(&mut payload, change, Flags::NONE, Seq(self.seq), flow, options);
        self.seq += 1;
        self.input(peer(&payload));
    }

    /// The kernel carries out the next batch; returns whether there was one.
    fn work(&mut self) -> bool {
        let Some(batch) = self.batches.pop_front() else {
            return false;
        };
        let (mut failures, mut answers) = (Vec::new(), Vec::new());
        for (index, request) in batch.requests.iter().enumerate() {
            match self.kernel.request(request) {
                Ok(Some(flow)) => answers.push((index, flow)),
                Ok(None) => {}
                Err(errno) => failures.push(RequestFailure { index, errno }),
            }
        }
        for (index, flow) in &answers {
            self.input(Input::Kernel(KernelInput::Answer { index: *index, flow }));
        }
        let failures = &failures;
        self.input(Input::Kernel(KernelInput::BatchEnded { batch, failures }));
        true
    }

    fn work_off(&mut self) {
        while self.work() {}
    }

    fn stats(&mut self) -> InjectStats {
        self.input(Input::Request(
            ClientId(1),
            Request::Statistics(StatsTopic::Flows),
        ));
        self.statistics.take().unwrap().inject.unwrap()
    }

    fn only_flow(&self) -> &Flow {
        let flows: Vec<_> = self.kernel.flows.values().collect();
        assert_eq!(flows.len(), 1, "{flows:#?}");
        flows[0]
    }
}

fn in_state(port: u16, state: TcpState) -> Flow {
    Flow {
        proto: ProtoState::Tcp(Tcp::in_state(state)),
        ..told(port)
    }
}

/// A flow as the peer tells it.
fn told(port: u16) -> Flow {
    Flow {
        reply: None,
        id: None,
        ..tcp(port)
    }
}

fn translated(port: u16) -> Flow {
    Flow {
        nat: Nat {
            snat: Some(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1))),
            ..Nat::NONE
        },
        ..told(port)
    }
}

#[test]
fn a_flow_lives_in_the_kernel_from_its_first_message_to_its_last() {
    let mut node = Node::new(injecting(notrack()));
    node.tell(Change::New, &in_state(1, TcpState::SYN_SENT));
    node.work_off();
    assert_eq!(node.kernel.flows.len(), 1);
    node.tell(Change::Update, &told(1));
    node.work_off();
    let ProtoState::Tcp(tcp) = node.only_flow().proto else {
        panic!("a TCP flow")
    };
    assert_eq!(tcp.state, TcpState::ESTABLISHED);
    node.tell(Change::Delete, &told(1));
    node.work_off();
    assert!(node.kernel.flows.is_empty());
    node.tell(Change::Delete, &told(1));
    node.work_off();
    let stats = node.stats();
    let want = InjectStats {
        created: 1,
        updated: 1,
        destroyed: 1,
        ..InjectStats::default()
    };
    assert_eq!(stats, want, "the end of a flow that is not there is no failure");
}

#[test]
fn a_change_of_a_flow_that_is_not_there_creates_it() {
    let mut node = Node::new(injecting(notrack()));
    node.tell(Change::Update, &translated(1));
    node.work_off();
    let reply = node.only_flow().reply.unwrap();
    assert_eq!(reply.addrs.dst(), IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)));
    let stats = node.stats();
    assert_eq!((stats.created, stats.updated), (0, 1), "counted as it was told");
}

#[test]
fn a_flow_that_is_there_is_changed_in_place_unless_translated_otherwise() {
    let mut node = Node::new(injecting(notrack()));
    node.kernel.flows.insert((told(1).orig, None), tcp(1));
    let marked = Flow {
        mark: Some(7),
        ..told(1)
    };
    node.tell(Change::New, &marked);
    node.work_off();
    assert_eq!(
        (node.only_flow().mark, node.only_flow().id),
        (Some(7), Some(1)),
        "the same entry goes on"
    );
    node.tell(Change::New, &translated(1));
    node.work_off();
    assert_eq!(node.only_flow().id, None, "another entry took its place");
}

#[test]
fn a_status_bit_that_only_our_kernel_has_does_not_cost_the_flow() {
    let mut node = Node::new(injecting(notrack()));
    node.kernel.flows.insert((told(1).orig, None), tcp(1));
    let unreplied = Flow {
        status: Some(Status::CONFIRMED),
        mark: Some(9),
        ..told(1)
    };
    node.tell(Change::Update, &unreplied);
    node.work_off();
    let flow = node.only_flow();
    assert_eq!((flow.mark, flow.id), (Some(9), Some(1)));
    assert!(
        flow.status
            .unwrap()
            .contains(Status::SEEN_REPLY | Status::ASSURED)
    );
}

#[test]
fn a_flow_of_our_own_keeps_the_status_that_the_kernel_keeps() {
    let mut node = Node::new(injecting(notrack()));
    node.kernel.flows.insert((told(1).orig, None), tcp(1));
    let own = tcp(1);
    node.input(Input::Kernel(KernelInput::Flow {
        kind: EventKind::New,
        origin: Origin::NotUs,
        flow: &own,
    }));
    let unreplied = Flow {
        status: Some(Status::CONFIRMED),
        ..told(1)
    };
    node.tell(Change::Update, &unreplied);
    node.work_off();
    let (cache, table, format) = (CacheName::Internal, Table::Flows, DumpFormat::Text);
    let request = Request::Dump { cache, table, format };
    node.input(Input::Request(ClientId(2), request));
    assert!(node.text.contains("[ASSURED]"), "{}", node.text);
}

#[test]
fn a_flow_in_the_place_of_another_is_told_as_new_until_that_has_come() {
    let mut world = World::new(injecting(ftfw()));
    let key = (tcp(1).orig, None);
    let status = Status::SRC_NAT | Status::SRC_NAT_DONE;
    let first = Flow {
        status: tcp(1).status.map(|plain| plain | status),
        reply: Some(translated(1).nat.applied_to(tcp(1).orig.mirrored())),
        ..tcp(1)
    };
    let second = Flow {
        id: Some(77),
        ..tcp(1)
    };
    world.kernel(Side::A, EventKind::New, &first);
    world.advance(5_000);
    assert_eq!(world.kernels[&Side::B].flows[&key].reply, first.reply);
    world.lose(|from, _| from == Side::A);
    world.kernel(Side::A, EventKind::Destroy, &first);
    world.kernel(Side::A, EventKind::New, &second);
    world.kernel(Side::A, EventKind::Update, &second);
    world.heal();
    world.advance(20_000);
    let trace = world.take_trace();
    assert_eq!(world.kernels[&Side::B].flows[&key].reply, second.reply, "{trace}");
    world.kernel(Side::A, EventKind::Update, &second);
    assert!(world.take_trace().contains("CT_UPD(1)"), "it is a change again");
}

#[test]
fn what_is_told_while_the_kernel_works_is_merged_and_comes_in_order() {
    let mut node = Node::new(injecting(notrack()));
    node.tell(Change::New, &told(1));
    assert_eq!(node.batches.len(), 1, "the first is on its way");
    for mark in 1..=50 {
        let flow = Flow {
            mark: Some(mark),
            ..told(1)
        };
        node.tell(Change::Update, &flow);
    }
    node.tell(Change::New, &told(2));
    node.work();
    let requests = &node.batches[0].requests;
    assert!(
        matches!(&requests[..], [FlowRequest::Update(update), FlowRequest::Create(_)] if update.mark == Some(50)),
        "{requests:#?}"
    );
}

#[test]
fn an_expected_flow_waits_for_its_master_and_goes_on_without_one() {
    let mut node = Node::new(injecting(notrack()));
    let child = Flow {
        master: Some(told(1).orig),
        ..told(2)
    };
    // In the kernel another flow is in the way of the master.
    node.kernel.flows.insert((told(1).orig, None), tcp(1));
    node.tell(Change::New, &told(9));
    node.tell(Change::New, &translated(1));
    node.tell(Change::New, &child);
    node.work_off();
    let key = (child.orig, None);
    assert_eq!(node.kernel.flows[&key].master, child.master);

    let orphan = Flow {
        master: Some(told(77).orig),
        ..told(3)
    };
    node.tell(Change::New, &orphan);
    node.work_off();
    assert_eq!(node.kernel.flows[&(orphan.orig, None)].master, None);
    assert_eq!(node.stats().lessened, 1);
    assert_eq!(
        node.reports,
        ["could not add new ct entry: No such file or directory"]
    );
}

#[test]
fn a_refused_flow_is_counted_and_told_as_the_stock_daemon_tells_it() {
    let mut node = Node::new(injecting(notrack()));
    node.kernel.refuses.insert(1, Errno::ENOMEM);
    node.tell(Change::Update, &told(1));
    node.work_off();
    assert_eq!(
        node.reports,
        ["could not update ct entry, even if creating it instead: Cannot allocate memory"]
    );
    node.tell(Change::New, &told(1));
    node.work_off();
    let stats = node.stats();
    assert_eq!((stats.update_failed, stats.create_failed), (1, 1));
    assert_eq!(node.reports.len(), 1, "once a second");
}

#[test]
fn a_helper_that_is_not_known_does_not_cost_the_flow() {
    let mut node = Node::new(injecting(notrack()));
    node.kernel.refuses.insert(1, Errno::EOPNOTSUPP);
    let helped = Flow {
        helper: Some(HelperName::from_bytes(b"ftp").unwrap()),
        ..told(1)
    };
    node.tell(Change::New, &helped);
    node.work();
    node.kernel.refuses.clear();
    node.work_off();
    assert_eq!(node.only_flow().helper, None);
}

#[test]
fn messages_over_the_limit_are_told_and_the_peer_is_asked_for_all() {
    let small = Config {
        cache_len_max: 2.try_into().unwrap(),
        ..injecting(notrack())
    };
    let mut node = Node::new(small);
    for port in 1..=5 {
        node.tell(Change::New, &told(port));
    }
    let full = "2 flows of the other node wait for the kernel: 1 messages were dropped, \
                and it will be asked for a bulk update; raise HashLimit";
    assert_eq!(node.reports, [full]);
    assert!(node.sent.is_empty(), "not while the kernel is busy");
    node.work_off();
    assert_eq!(node.kernel.flows.len(), 3);
    assert_eq!(node.sent, ["RESYNC seq 1000"]);
    assert_eq!((node.stats().dropped, node.stats().pending), (2, 0));
}

#[test]
fn what_the_peer_told_comes_back_only_when_traffic_changes_it() {
    let mut world = World::new(injecting(ftfw()));
    world.advance(2_500);
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(1_500);
    let there = world.kernels[&Side::B].flows.contains_key(&(tcp(1).orig, None));
    assert!(there, "{}", world.take_trace());
    assert!(world.dump(Side::B, CacheName::Internal).is_empty());
    assert!(world.dump(Side::B, CacheName::External).is_empty());

    let ours = Input::Kernel(KernelInput::Flow {
        kind: EventKind::New,
        origin: Origin::Us,
        flow: &tcp(1),
    });
    world.input(Side::B, ours);
    assert!(world.dump(Side::B, CacheName::Internal).is_empty());

    world.take_trace();
    let closing = Flow {
        proto: ProtoState::Tcp(Tcp::in_state(TcpState::FIN_WAIT)),
        ..tcp(1)
    };
    world.kernel(Side::B, EventKind::Update, &closing);
    assert_eq!(world.dump(Side::B, CacheName::Internal).len(), 1);
    assert!(world.take_trace().contains("b→a  CT_NEW(1)"));
}

#[test]
fn a_backup_without_an_external_cache() {
    let mut world = World::new(injecting(ftfw()));
    world.advance(2_500);
    world.take_trace();
    // In the backup's kernel a stray packet has taken the place of the second flow.
    let backup = world.kernels.get_mut(&Side::B).unwrap();
    backup.flows.insert((tcp(2).orig, None), tcp(2));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.kernel(Side::A, EventKind::New, &tcp(2));
    world.advance(200);
    world.kernel(Side::A, EventKind::Update, &tcp(1));
    world.advance(200);
    world.kernel(Side::A, EventKind::Destroy, &tcp(1));
    world.advance(200);
    world.request(Side::B, Request::Commit(Table::Flows));
    world.kernel(Side::B, EventKind::Update, &tcp(2));
    assert_eq!(world.kernels[&Side::B].flows.len(), 1);
    check("injection", world);
}

#[test]
fn a_comparison_with_the_kernel_does_not_take_the_flows_of_the_peer_for_ours() {
    let period = std::time::Duration::from_secs(10);
    let comparing = Config {
        reconcile_period: Some(period),
        ..injecting(ftfw())
    };
    let mut world = World::new(comparing);
    world.advance(2_500);
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.kernel(Side::B, EventKind::New, &tcp(2));
    world.advance(30_000);
    assert_eq!(world.kernels[&Side::B].flows.len(), 2);
    assert_eq!(world.dump(Side::A, CacheName::Internal).len(), 1);
    assert_eq!(world.dump(Side::B, CacheName::Internal).len(), 1);
}

#[test]
fn a_commit_has_nothing_to_do_and_a_flush_leaves_the_kernel_alone() {
    let mut world = World::new(injecting(ftfw()));
    world.advance(2_500);
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(1_500);
    world.reports.clear();
    let client = world.request(Side::B, Request::Commit(Table::Both));
    assert!(world.ended.contains(&client));
    assert_eq!(world.reports, ["b: report: committing all external caches"]);
    world.request(Side::B, Request::FlushCache(Some(CacheName::External)));
    world.request(Side::B, Request::FlushCache(None));
    assert_eq!(world.kernels[&Side::B].flows.len(), 1);
}

#[test]
fn a_flow_of_both_nodes_ends_in_the_internal_cache_too() {
    let mut world = World::new(injecting(ftfw()));
    world.advance(2_500);
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(1_500);
    world.event(Side::B, EventKind::Update, &tcp(1));
    world.advance(1_500);
    assert_eq!(world.dump(Side::B, CacheName::Internal).len(), 1);
    world.kernel(Side::A, EventKind::Destroy, &tcp(1));
    world.advance(1_500);
    assert!(world.kernels[&Side::B].flows.is_empty());
    assert!(world.dump(Side::B, CacheName::Internal).is_empty());
}

/// Something that happens to a node that injects.
#[derive(Clone, Debug)]
enum Step {
    Tell(Change, u16, Version),
    Work,
}

/// What a message says of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    mark: u32,
    is_translated: bool,
}

impl Version {
    fn of(self, port: u16) -> Flow {
        let flow = if self.is_translated {
            translated(port)
        } else {
            told(port)
        };
        Flow {
            mark: Some(self.mark),
            ..flow
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![Just(Change::New), Just(Change::Update), Just(Change::Delete)];
    // A translation is for life: the port decides.
    let tell = (change, 0..8_u16, 1..1_000_u32).prop_map(|(change, port, mark)| {
        let is_translated = port % 2 == 0;
        Step::Tell(change, port, Version { mark, is_translated })
    });
    prop_oneof![3 => tell, 2 => Just(Step::Work)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_kernel_ends_as_the_peer_last_told_and_nothing_is_lost_in_silence(
        steps in prop::collection::vec(step(), 0..80),
        present in prop::collection::vec((0..8_u16, any::<bool>()), 0..4),
        len_max in prop_oneof![Just(1_000_u32), 1..4_u32],
        batch_len_max in 1..5_u16,
    ) {
        let mut config = injecting(notrack());
        config.cache_len_max = len_max.try_into().unwrap();
        config.limits.batch_len_max = batch_len_max.try_into().unwrap();
        let mut node = Node::new(config);
        // The kernel knows some flows already, translated or not.
        for (port, is_translated) in present {
            let version = Version { mark: 0, is_translated };
            drop(node.kernel.request(&FlowRequest::Create(version.of(port))));
        }
        let before = node.kernel.flows.clone();
        let mut last = BTreeMap::new();
        for step in &steps {
            match step {
                Step::Tell(change, port, version) => {
                    node.tell(*change, &version.of(*port));
                    last.insert(*port, (*change, *version));
                }
                Step::Work => drop(node.work()),
            }
        }
        node.work_off();
        let stats = node.stats();
        prop_assert_eq!(stats.pending, 0);
        prop_assert_eq!(stats.create_failed + stats.update_failed + stats.destroy_failed, 0);
        if stats.dropped > 0 {
            prop_assert!(!node.reports.is_empty(), "{} messages dropped in silence", stats.dropped);
            prop_assert!(!node.sent.is_empty(), "the peer is not asked again");
            return Ok(());
        }
        for (port, (change, version)) in last {
            let wanted = version.of(port);
            let there = node.kernel.flows.get(&(wanted.orig, None));
            if change == Change::Delete {
                prop_assert!(there.is_none(), "{port} has ended");
                continue;
            }
            let there = there.unwrap();
            prop_assert_eq!(there.mark, wanted.mark, "port {}", port);
            let was_otherwise = before.get(&(wanted.orig, None));
            // Nobody sees a wrong translation from a change alone.
            if was_otherwise.is_none() {
                let reply = wanted.nat.applied_to(wanted.orig.mirrored());
                prop_assert_eq!(there.reply, Some(reply), "port {}", port);
            }
        }
    }
}
