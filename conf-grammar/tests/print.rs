//! The effective configuration as text.

#[expect(dead_code, reason = "other tests use more of it")]
mod valid;

use std::fs;
use std::path::Path;

use conf_grammar::{Config, Dialect, Running, parse, parse_with, print};
use proptest::prelude::*;
use valid::Age;

fn config(source: &str) -> Config {
    let outcome = parse("x.conf", source.as_bytes());
    assert!(!outcome.has_errors(), "{:?}\n{source}", outcome.diagnostics);
    outcome.config.expect("a file without errors has a configuration")
}

/// The file with each commented default made a clause.
fn with_defaults_given(text: &str) -> String {
    let mut given = String::new();
    for line in text.lines() {
        let bare = line.trim_start();
        let is_default = bare.starts_with("# ") && bare.contains("  # default");
        given.push_str(if is_default { &bare[2..] } else { line });
        given.push('\n');
    }
    given
}

/// Holds the text of a configuration to all it promises.
fn check(source: &str) {
    let read = config(source);
    let text = print(&read);
    let again = config(&text);
    assert!(
        again == read,
        "another configuration\n{source}\n---\n{text}\n{read:#?}\n{again:#?}"
    );
    assert_eq!(print(&again), text, "another text\n{source}");
    let given = with_defaults_given(&text);
    assert!(config(&given) == read, "another default\n{given}");
    assert_eq!(
        print(&config(&given)),
        text,
        "a given default is no comment\n{source}"
    );
}

#[test]
fn the_text_of_every_valid_sample_reads_back() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut n_files = 0;
    for entry in fs::read_dir(folder).expect("the samples are there") {
        let path = entry.expect("the folder can be read").path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("valid-"))
        {
            check(&fs::read_to_string(&path).expect("valid samples are text"));
            n_files += 1;
        }
    }
    assert_eq!(n_files, 46);
}

#[test]
fn statistics_of_an_empty_file() {
    insta::assert_snapshot!(print(&config("")));
}

#[test]
fn replication_with_everything_set() {
    insta::assert_snapshot!(print(&config(
        "General {
            Systemd no HashSize 1 HashLimit 2 LogFile on Syslog local3 LockFile /run/l UNIX { Path /run/c#1 }
            NetlinkBufferSize 3 NetlinkBufferSizeMaxGrowth 4 NetlinkOverrunResync off NetlinkEventsReliable on
            EventIterationLimit 5 Scheduler { Type fifo Priority 6 }
            Filter From Kernelspace {
                Protocol Ignore { Tcp ICMP icmpv6 }
                Address Accept { IPv4_address 10.1.2.3/8 IPv6_address ::1 IPv6_address fe80::/10 }
                State Accept { ESTABLISHED CLOSED for TCP LISTEN for TCP }
            }
        }
        Sync {
            Mode ftfw { ResendQueueSize 7 ACKWindowSize 8 DisableExternalCache on StartupResync on PurgeTimeout 9 }
            TCP { IPv4_Destination_Address 192.0.2.2 Port 1 Interface a }
            TCP Default {
                IPv6_address ::1 IPv6_Destination_Address ::2 Port 2 Interface b SndSocketBuffer 1
                RcvSocketBuffer 2 Checksum off ErrorQueueLength 10
            }
            Options { TCPWindowTracking on ExpectationSync { ftp h.245 } }
        }
        Helper {
            Setup on
            Type ftp inet tcp { QueueNum 1 QueueLen 2 Policy ftp { ExpectMax 3 } }
            Type rpc inet6 udp { }
        }"
    )));
}

#[test]
fn a_protocol_without_a_name_is_ignored_by_its_number() {
    let source = "IgnoreProtocol { 47 250 UDP } Stats { }";
    check(source);
    let text = print(&config(source));
    assert!(
        text.contains("\tFilter From Userspace {\n\t\tProtocol Ignore {\n\t\t\tgre\n\t\t}\n\t}\n"),
        "{text}"
    );
    assert!(text.contains("\nIgnoreProtocol {\n"), "{text}");
    assert!(text.contains("\n\t250\n\tUDP\n}\n"), "{text}");
    check("IgnoreProtocol { 250 } Stats { }");
    check("General { Filter From Kernelspace { Protocol Ignore { TCP } } } IgnoreProtocol { 0 TCP 255 }");
    check("General { Filter { Protocol Ignore { } } } IgnoreProtocol { 0 }");
}

#[test]
fn empty_sets_stay_sets() {
    check("General { Filter { Protocol Accept { } Address Accept { } State Accept { } } }");
    check("General { Filter From Kernelspace { } }");
    check("IgnoreTrafficFor { } IgnoreProtocol { }");
}

#[test]
fn a_section_helper_alone_stays_alone() {
    for source in [
        "Helper { }",
        "Helper { Setup on }",
        "Helper { Type ftp inet tcp { } }",
    ] {
        check(source);
        assert!(config(&print(&config(source))).running == Running::HelpersOnly);
    }
    assert!(!print(&config("Helper { } Stats { }")).contains("Helper"));
}

#[test]
fn the_default_link_is_marked_where_there_is_a_choice() {
    let link = |mark: &str, port: u8| {
        format!("UDP {mark} {{ IPv4_Destination_Address 192.0.2.1 Port {port} Interface e }}\n")
    };
    let heads = |links: String| {
        let text = print(&config(&format!("Sync {{ {links} }}")));
        let heads: Vec<String> = text
            .lines()
            .filter(|line| line.contains("UDP"))
            .map(str::to_owned)
            .collect();
        heads
    };
    assert_eq!(heads(link("Default", 1)), ["\tUDP {"]);
    assert_eq!(heads(link("", 1) + &link("", 2)), ["\tUDP Default {", "\tUDP {"]);
    assert_eq!(
        heads(link("", 1) + &link("Default", 2)),
        ["\tUDP {", "\tUDP Default {"]
    );
}

#[test]
fn what_only_the_stock_dialect_lets_pass_is_printed_for_that_dialect() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples");
    let mut n_files = 0;
    for entry in fs::read_dir(folder).expect("the samples are there") {
        let path = entry.expect("the folder can be read").path();
        let source = fs::read(&path).expect("the sample can be read");
        let read = |source: &[u8]| parse_with("x.conf", source, Dialect::Stock).config;
        let is_strict = parse("x.conf", &source).config.is_some();
        if let Some(config) = read(&source).filter(|_| !is_strict) {
            let text = print(&config);
            assert_eq!(read(text.as_bytes()), Some(config), "{}\n{text}", path.display());
            n_files += 1;
        }
    }
    assert!(n_files > 5, "only {n_files} samples are for the stock dialect");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_text_of_any_valid_file_reads_back(source in valid::file(Age::Any)) {
        check(&source);
    }
}
