//! What a transport must stand beyond the matrix: sockets that take but a part of what is written.

use anyhow::{Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::{Daemon, LIMIT, Setup, TEMPLATE, Transport, flows, on_real_kernels};

const N_BULK: u16 = 15_000;

#[test]
fn a_bulk_over_tcp_through_small_buffers_keeps_its_framing() -> Result<()> {
    for to in [Ours, Stock] {
        bulk(to)?;
    }
    Ok(())
}

fn bulk(to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let setup = Setup {
            transport: Transport::Tcp,
            ..TEMPLATE
        };
        let mut cluster = setup.build()?;
        for fw in [&cluster.fw1, &cluster.fw2] {
            fw.edit_conf("SocketBuffer 8388608", "SocketBuffer 4096")?;
        }
        flows::create(&cluster.fw1, 0, N_BULK)?;
        cluster.fw1.start(Ours)?;
        cluster.fw2.start(to)?;
        cluster.fw1.control(&["-B"])?;
        cluster.wait_until("fw2's external cache equals fw1's kernel table", LIMIT, || {
            cluster.ensure_replica(Ours)
        })?;
        for fw in [&cluster.fw1, &cluster.fw2] {
            let shown = fw.control(&["-s", "network"])?;
            let malformed = shown.lines().find(|line| line.contains("Malformed messages:"));
            ensure!(malformed.is_some_and(|line| line.ends_with(" 0")), "{shown}");
        }
        Ok(())
    })
}
