//! What the operator of a world has written into the configuration of both nodes.

use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use engine::config::{
    AlarmConfig, Config, ExpectationSync, FtfwConfig, Limits, LinkConfig, Mode, NotrackConfig, OwnFlows,
    PeerFlows, Reach, StartupResync, TcpWindowTracking,
};
use engine::filter::{Filter, List, Network, Policy};
use engine::flow::{Protocol, TcpState};
use engine::input::LinkState;

use crate::replay::Rng;

/// Draws a configuration that the daemon takes.
pub(super) fn draw(rng: &mut Rng) -> Config {
    let mode = mode(rng);
    let own_flows = match mode {
        Mode::Notrack(_) if rng.happens(300) => OwnFlows::Bypassed,
        Mode::Notrack(_) | Mode::Ftfw(_) | Mode::Alarm(_) => OwnFlows::Cached,
    };
    let peer_flows = match mode {
        // A node with neither cache tells the flows of the peer for its own.
        Mode::Notrack(_) | Mode::Ftfw(_) if own_flows == OwnFlows::Cached && rng.happens(200) => {
            PeerFlows::Injected
        }
        Mode::Notrack(_) | Mode::Ftfw(_) | Mode::Alarm(_) => PeerFlows::Cached,
    };
    let has_caches = own_flows == OwnFlows::Cached && peer_flows == PeerFlows::Cached;
    let links = links(rng);
    let last_link = u64::try_from(links.len() - 1).expect("a short list");
    Config {
        mode,
        filter: filter(rng),
        expectations: if has_caches {
            expectations(rng)
        } else {
            ExpectationSync::Off
        },
        cache_len_max: NonZeroU32::from(non_zero(20_000)),
        cache_len_expected: 0,
        commit_timeout_secs: rng.choose(&[None, None, None, NonZeroU32::new(180)]),
        purge_timeout: secs(60),
        own_flows,
        peer_flows,
        tcp_window_tracking: rng.choose(&[TcpWindowTracking::Off, TcpWindowTracking::On]),
        overrun_resync: Some(secs(rng.choose(&[1, 3, 10]))),
        poll_period: (has_caches && rng.happens(100)).then(|| secs(rng.choose(&[1, 4]))),
        reconcile_period: rng.choose(&[None, None, Some(secs(5)), Some(secs(13))]),
        default_link: u8::try_from(rng.between(0, last_link)).expect("a short list"),
        links,
        limits: Limits {
            batch_len_max: non_zero(rng.choose(&[1, 3, 128])),
            bulk_turn_len_max: non_zero(rng.choose(&[1, 7, 1_024])),
            reply_part_len: rng.choose(&[1, 200, 65_536]),
            dump_tombstones_max: rng.choose(&[0, 3, 65_536, 65_536]),
        },
    }
}

fn mode(rng: &mut Rng) -> Mode {
    let startup_resync = rng.choose(&[StartupResync::Off, StartupResync::On]);
    match rng.between(0, 9) {
        0 | 1 => Mode::Notrack(NotrackConfig { startup_resync }),
        2 | 3 => Mode::Alarm(AlarmConfig {
            refresh_secs: NonZeroU32::from(non_zero(rng.choose(&[1, 3, 9]))),
            // Long enough for the slowest commit, or what is to be saved is forgotten meanwhile.
            cache_timeout_secs: NonZeroU32::from(non_zero(rng.choose(&[40, 60]))),
        }),
        _ => Mode::Ftfw(FtfwConfig {
            ack_window: non_zero(rng.choose(&[1, 2, 5, 20, 300])),
            resend_queue_len_max: NonZeroU32::from(non_zero(rng.choose(&[8, 40, 300, 20_000, 20_000]))),
            startup_resync,
        }),
    }
}

/// Draws the sets of a filter, in most worlds none; each leaves some of the traffic of the world out.
fn filter(rng: &mut Rng) -> Filter {
    fn list<T: Clone>(policy: Policy, entries: &[T]) -> List<T> {
        let entries = entries.to_vec();
        List { policy, entries }
    }
    if rng.happens(700) {
        return Filter::default();
    }
    let protocols = [
        list(Policy::Ignore, &[Protocol::UDP, Protocol::SCTP]),
        list(Policy::Accept, &[Protocol::TCP]),
    ];
    let addresses = [
        // What the hosts behind B begin; and all but what those behind A do.
        list(Policy::Ignore, &[network([10, 2, 0, 0], 16)]),
        list(
            Policy::Accept,
            &[
                network([10, 1, 0, 0], 16),
                network([0x2001, 0xdb8, 1, 0, 0, 0, 0, 0], 48),
            ],
        ),
    ];
    let states = [
        list(Policy::Accept, &[TcpState::ESTABLISHED, TcpState::FIN_WAIT]),
        list(Policy::Ignore, &[TcpState::TIME_WAIT]),
    ];
    Filter::new(
        one_of(protocols, rng),
        one_of(addresses, rng),
        one_of(states, rng),
    )
}

fn network(address: impl Into<IpAddr>, prefix_len: u8) -> Network {
    Network::new(address.into(), prefix_len).expect("a prefix that its family allows")
}

/// Draws the first or the second, or none.
fn one_of<T>([first, second]: [T; 2], rng: &mut Rng) -> Option<T> {
    match rng.between(0, 3) {
        0 => Some(first),
        1 => Some(second),
        _ => None,
    }
}

fn expectations(rng: &mut Rng) -> ExpectationSync {
    match rng.between(0, 4) {
        0 => ExpectationSync::All,
        1 => ExpectationSync::Helpers(Box::new(["ftp".into()])),
        _ => ExpectationSync::Off,
    }
}

fn links(rng: &mut Rng) -> Vec<LinkConfig> {
    (0..rng.choose(&[1, 1, 2, 3]))
        .map(|place| LinkConfig {
            interface: format!("sync{place}"),
            state: LinkState {
                is_up: true,
                is_running: true,
                payload_len_max: rng.choose(&[548, 1_472, 1_472, 8_972]),
            },
            reach: Reach::Peer,
        })
        .collect()
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn non_zero(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("no choice is zero")
}
