//! Every code is told somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use conf_grammar::{Code, Severity, parse};

/// Files for the codes that no sample has.
const FILES: &[&[u8]] = &[
    b"# \xff",
    b"Stats {\r}\r",
    b"General {
        HashSize 11 HashLimit 10
        NetlinkOverrunResync 1 NetlinkEventsReliable on
        Scheduler { Type RR Priority 99 }
        Filter {
            Address Ignore { IPv4_address 10.0.0.1/8 IPv4_address 10.0.0.2/8 }
            Protocol Accept { }
        }
    }",
    b"General { Filter { State Ignore { ESTABLISHED for TCP } } }
    Sync {
        Mode FTFW { ACKWindowSize 9 ResendQueueSize 9 CommitTimeout 9 PurgeTimeout 1 }
        UDP { IPv4_Destination_Address 192.0.2.2 Port 3780 Interface eth2 }
    }",
    b"Sync {
        Mode ALARM { RefreshTime 9 CacheTimeout 9 }
        UDP { IPv4_Destination_Address 225.0.0.50 Port 3780 Interface eth2 }
    }",
    b"Sync {
        Mode ALARM { RefreshTime 9 CacheTimeout 9 }
        UDP { IPv4_Destination_Address 192.0.2.2 Port 3780 Interface eth2 }
    }",
];

/// What is told by the daemon, with the host in view or to whoever asks.
const OF_THE_DAEMON: &[Code] = &[
    Code::NotSupported,
    Code::NoSuchInterface,
    Code::AddressNotLocal,
    Code::InterfaceAddressDiffers,
    Code::SocketPathTaken,
    Code::LockDirectory,
    Code::LogNotWritable,
    Code::ConfigWritable,
    Code::HashLimitSmall,
    Code::PublicSocket,
    Code::Migrated,
    Code::BadFlow,
];

fn samples() -> impl Iterator<Item = Vec<u8>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let entries = fs::read_dir(samples).expect("the samples are there");
    entries.map(|entry| fs::read(entry.expect("the folder can be read").path()).expect("a file"))
}

#[test]
fn every_code_is_told_of_some_file_or_by_the_daemon() {
    let files = FILES.iter().map(|file| file.to_vec());
    let large = vec![b'\n'; (16 << 20) + 1];
    let mut told = BTreeSet::new();
    for file in samples().chain(files).chain([large]) {
        for diagnostic in parse("conntrackd.conf", &file).diagnostics {
            let is_judgement = diagnostic.severity != Severity::Error;
            assert!(is_judgement || !diagnostic.code.is_safety(), "{diagnostic:?}");
            told.insert(diagnostic.code);
        }
    }
    let untold: Vec<&Code> = Code::ALL.iter().filter(|code| !told.contains(code)).collect();
    assert_eq!(untold, OF_THE_DAEMON.iter().collect::<Vec<_>>());
}
