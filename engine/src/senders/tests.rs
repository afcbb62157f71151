//! Who is who, over one link and over many.

use alloc::vec;
use core::cell::RefCell;

use proptest::prelude::*;

use super::*;

/// The table, and the number of the last message of each sender as a machine would keep it.
struct Bench {
    senders: Senders,
    last: RefCell<Vec<Option<Seq>>>,
    now: Instant,
}

impl Bench {
    fn new(reaches: &[Reach]) -> Self {
        Self {
            senders: Senders::new(reaches.to_vec()),
            last: RefCell::new(vec![None; usize::from(SENDERS_MAX)]),
            now: Instant::START,
        }
    }

    fn hear(&mut self, link: u8, host: u32, seq: u32) -> Identified {
        self.hear_voice(link, host, seq, false)
    }

    fn greet(&mut self, link: u8, host: u32, seq: u32) -> Identified {
        self.hear_voice(link, host, seq, true)
    }

    fn hear_voice(&mut self, link: u8, host: u32, seq: u32, is_greeting: bool) -> Identified {
        let voice = Voice {
            channel: Channel(link),
            source: address(host),
            seq: Seq(seq),
            is_greeting,
        };
        self.now = self.now.saturating_add(Duration::from_millis(1));
        let last = |id: SenderId| self.last.borrow()[id.index()];
        let identified = self.senders.identify(voice, last, self.now);
        self.last.borrow_mut()[identified.id().index()] = Some(voice.seq);
        identified
    }
}

fn address(host: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | host))
}

const GROUP: &[Reach] = &[Reach::Group];
const GROUPS: &[Reach] = &[Reach::Group, Reach::Group, Reach::Group];
const PEER: &[Reach] = &[Reach::Peer, Reach::Peer];

const fn known(place: u8) -> Identified {
    Identified::Known(SenderId(place))
}

const fn new(place: u8) -> Identified {
    Identified::New(SenderId(place))
}

#[test]
fn on_one_group_each_address_is_a_node_whatever_its_numbers() {
    let mut bench = Bench::new(GROUP);
    let heard = [(1, 10), (2, 11), (1, 11), (3, 12), (2, 12), (1, 9_000)];
    let told = heard.map(|(host, seq)| bench.hear(0, host, seq));
    assert_eq!(told, [new(0), new(1), known(0), new(2), known(1), known(0)]);
}

#[test]
fn on_links_to_one_peer_all_addresses_are_its() {
    let mut bench = Bench::new(PEER);
    let heard = [(0, 1, 10), (0, 2, 900_000), (1, 3, 5), (1, 1, 6), (0, 9, 1 << 31)];
    let told = heard.map(|(link, host, seq)| bench.hear(link, host, seq));
    assert_eq!(told, [new(0), known(0), known(0), known(0), known(0)]);
}

#[test]
fn a_sole_node_keeps_its_state_over_all_links_whatever_its_numbers() {
    let mut bench = Bench::new(GROUPS);
    let heard = [
        (0, 1, 10),
        (1, 101, 11),
        (0, 1, 500_000),
        (2, 201, 12),
        (1, 101, 4_000_000_000),
    ];
    let told = heard.map(|(link, host, seq)| bench.hear(link, host, seq));
    assert_eq!(told, [new(0), known(0), known(0), known(0), known(0)]);
}

#[test]
fn of_several_nodes_the_one_whose_numbers_go_on_has_changed_links() {
    let mut bench = Bench::new(GROUPS);
    for (host, seq) in [(1, 1_000), (2, 900_000), (3, 1_500)] {
        bench.hear(0, host, seq);
    }
    assert_eq!(bench.hear(1, 102, 900_020), known(1), "20 were lost on the way");
    assert_eq!(bench.hear(1, 103, 1_501), known(2), "1 is the farther one");
    assert_eq!(bench.hear(1, 101, 1_002), known(0));
    assert_eq!(
        bench.hear(1, 104, 1_003),
        new(3),
        "all others have an address there"
    );
    assert_eq!(
        bench.hear(0, 2, 900_019),
        known(1),
        "a message that was under way"
    );
    assert_eq!(bench.hear(2, 205, 800_000), new(4), "numbers that nobody has");
}

#[test]
fn two_nodes_first_heard_on_different_links_are_told_apart_once_they_meet() {
    let mut bench = Bench::new(GROUPS);
    assert_eq!(bench.hear(0, 1, 1_000), new(0));
    assert_eq!(
        bench.greet(1, 102, 900_000),
        known(0),
        "one node that is heard on two links"
    );
    assert_eq!(bench.hear(1, 101, 1_001), new(1), "or two");
    assert_eq!(bench.hear(1, 102, 900_001), known(0));
    assert_eq!(
        bench.hear(0, 1, 1_002),
        known(1),
        "the address is taken from the second node and given back to the first"
    );
    assert_eq!(bench.hear(0, 2, 900_002), known(0));
}

#[test]
fn a_node_that_starts_anew_on_an_address_of_its_own_is_the_same() {
    let mut bench = Bench::new(GROUPS);
    bench.hear(0, 1, 1_000);
    bench.hear(0, 2, 900_000);
    bench.hear(1, 101, 1_001);
    assert_eq!(bench.greet(0, 1, 500_000), known(0));
}

#[test]
fn a_full_table_forgets_who_was_never_heard_in_sequence_and_then_who_is_silent_longest() {
    let mut bench = Bench::new(GROUP);
    for seq in [1, 2] {
        assert_eq!(bench.hear(0, 1, seq).id(), SenderId(0));
    }
    for flood in 0..1_000 {
        let told = bench.hear(0, 100 + flood, 7);
        assert_eq!(matches!(told, Identified::InPlaceOf(..)), flood >= 31, "{flood}");
        assert_ne!(told.id(), SenderId(0), "{flood}");
    }
    assert_eq!(
        (bench.senders.len(), bench.senders.evicted()),
        (usize::from(SENDERS_MAX), 1_000 - 31)
    );
    assert_eq!(bench.hear(0, 1, 3), known(0));
    for seq in [1, 2] {
        for host in 2_000..2_031 {
            bench.hear(0, host, seq);
        }
    }
    assert_eq!(
        bench.hear(0, 3_000, 1),
        Identified::InPlaceOf(SenderId(0), address(1)),
        "all were heard in sequence, the first of them longest ago"
    );
}

#[test]
fn a_set_tells_all_from_some() {
    let [a, b, c] = [0, 5, 31].map(SenderId::for_test);
    let set = |ids: &[SenderId]| ids.iter().copied().collect::<SenderSet>();
    let both = set(&[a, c]);
    assert!(both.are_several() && !set(&[c]).are_several() && !SenderSet::EMPTY.are_several());
    assert!(both.contains_all(set(&[c])) && !both.contains_all(set(&[b, c])));
    assert!(both.contains_all(SenderSet::EMPTY));
    assert_eq!(both.iter().collect::<Vec<_>>(), [a, c]);
    assert_eq!(both.and(set(&[b, c])), set(&[c]));
}

proptest! {
    /// Numbers begin far apart, or nothing could tell whose they are.
    #[test]
    fn nodes_that_have_met_on_a_link_are_never_confused(
        n_nodes in 2..6_u32,
        steps in prop::collection::vec((0..6_u32, 0..3_u8, 1..1_000_u32), 0..200),
    ) {
        let mut bench = Bench::new(GROUPS);
        let mut seqs: Vec<u32> = (0..n_nodes).map(|node| (node + 1).wrapping_mul(0x3000_0000)).collect();
        let ids: Vec<SenderId> = (0..n_nodes).map(|node| bench.hear(0, node, seqs[node as usize]).id()).collect();
        for (node, link, gap) in steps {
            let node = node % n_nodes;
            let seq = &mut seqs[node as usize];
            *seq = seq.wrapping_add(gap);
            let told = bench.hear(link, 100 * u32::from(link) + node, *seq);
            prop_assert_eq!(told, Identified::Known(ids[node as usize]));
        }
        prop_assert_eq!(bench.senders.len(), n_nodes as usize);
    }
}
