//! Datagrams that nobody should send: the daemon lives, counts them, and goes on replicating.
//!
//! Not asked of the stock daemon: after the same noise its dumps of the external cache crash.

use std::net::UdpSocket;

use anyhow::{Context, Result, ensure};
use netns_tests::Daemon::Ours;
use netns_tests::noise::{Noise, Sequence};
use netns_tests::table::Table;
use netns_tests::{Cluster, LIMIT, Mode, Setup, TEMPLATE, flows, on_real_kernels};

const SEED: u64 = 0x00c0_ffee;
/// Datagrams the daemon's receive buffer holds with ease.
const BURST: usize = 1000;

#[test]
fn ftfw_lives_through_100_000_bad_datagrams() -> Result<()> {
    lives_through_noise(Mode::FtFw, Sequence::Past, 100_000)
}

#[test]
fn notrack_lives_through_bad_datagrams_with_wild_sequence_numbers() -> Result<()> {
    lives_through_noise(Mode::NoTrack, Sequence::Wild, 50_000)
}

fn lives_through_noise(mode: Mode, sequence: Sequence, n_datagrams: usize) -> Result<()> {
    on_real_kernels(|| {
        let cluster = Setup { mode, ..TEMPLATE }.start(Ours, Ours)?;
        send_noise(&cluster, sequence, n_datagrams)?;
        let n_malformed = number_after(&cluster.fw2.control(&["-s", "network"])?, "Malformed messages:")?;
        // The rest is a message by chance, or an acknowledgement of nothing, or, in FT-FW, old.
        let n_at_least = u64::try_from(n_datagrams)? / 4;
        ensure!(
            n_malformed > n_at_least,
            "counted {n_malformed} of {n_datagrams} as malformed"
        );
        flows::create(&cluster.fw1, 0, 200)?;
        let wanted = cluster.fw1.kernel()?.as_cached();
        cluster.wait_until("fw2 knows the new flows of fw1", LIMIT, || {
            made_by_us(&cluster)?.ensure_equals(&wanted)
        })
    })
}

/// The flows of fw2's external cache that [`flows`] makes; noise leaves others there.
fn made_by_us(cluster: &Cluster) -> Result<Table> {
    let dump = cluster.fw2.control(&["-e"])?;
    let ours = dump
        .lines()
        .filter(|line| line.contains(" src=10.11.") || line.contains(" src=fd11::"));
    Table::parse(&ours.collect::<Vec<_>>().join("\n"))
}

/// Sends noise from fw1's address, no faster than fw2 reads it.
fn send_noise(cluster: &Cluster, sequence: Sequence, n_datagrams: usize) -> Result<()> {
    let socket = cluster.fw1.ns.enter(|| UdpSocket::bind("192.168.77.1:0"))?;
    socket.connect("192.168.77.2:3780")?;
    let n_received = || received(cluster);
    let mut noise = Noise::new(SEED)?;
    for _ in 0..n_datagrams / BURST {
        let wanted = n_received()? + u64::try_from(BURST)?;
        for _ in 0..BURST {
            socket.send(&noise.datagram(sequence))?;
        }
        cluster.wait_until("fw2 has read the burst", LIMIT, || {
            let n_received = n_received()?;
            ensure!(n_received >= wanted, "read {n_received} of {wanted}");
            Ok(())
        })?;
    }
    socket.send(&[]).map(drop).context("send an empty datagram")
}

/// How many datagrams fw2's daemon has received.
fn received(cluster: &Cluster) -> Result<u64> {
    let link = cluster.fw2.control(&["-s", "link"])?;
    let line = link
        .lines()
        .find(|line| line.contains("Pckts recv"))
        .context("no line of packets")?;
    number_after(line, "Pckts sent")
}

/// The first number after `label`.
fn number_after(text: &str, label: &str) -> Result<u64> {
    let (_, rest) = text
        .split_once(label)
        .with_context(|| format!("no {label:?} in {text:?}"))?;
    let number = rest
        .split_whitespace()
        .next()
        .with_context(|| format!("nothing after {label:?}"))?;
    number
        .parse()
        .with_context(|| format!("{number:?} after {label:?}"))
}
