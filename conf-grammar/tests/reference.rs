//! The pages that are made from the table, and the table as people find it there.

use std::fs;
use std::path::{Path, PathBuf};

use conf_grammar::{Severity, parse, reference};

/// The clause table of COMPAT.md stands between these lines.
const TABLE: [&str; 2] = ["<!-- clauses -->\n", "<!-- /clauses -->\n"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).expect("the file is there")
}

/// Compares a committed file with what the table makes of it; with `UPDATE=1` it writes the file.
fn check(name: &str, made: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path(name), made).expect("the file can be written");
    }
    assert!(
        read(name) == made,
        "{name} is not what the table says; run `UPDATE=1 cargo test -p conf-grammar --test reference`"
    );
}

#[test]
fn the_reference_page_is_that_of_the_table() {
    check("docs/conntrackd.conf.md", &reference::markdown());
}

#[test]
fn the_manual_page_is_that_of_the_table() {
    check("packaging/man/conntrackd.conf.5", &reference::man());
}

#[test]
fn the_rows_of_compat_are_those_of_the_table() {
    let [begin, end] = TABLE;
    let file = read("COMPAT.md");
    let (before, rest) = file.split_once(begin).expect("the table has a beginning");
    let (_, after) = rest.split_once(end).expect("the table has an end");
    let made = format!("{before}{begin}{}{end}{after}", reference::compat_rows());
    check("COMPAT.md", &made);
}

#[test]
fn every_example_is_free_of_findings() {
    let mut n_examples = 0;
    for (title, text) in reference::examples() {
        let outcome = parse(title, text.as_bytes());
        let found: Vec<_> = outcome
            .diagnostics
            .iter()
            .filter(|found| found.severity != Severity::Note)
            .collect();
        assert!(found.is_empty() && outcome.config.is_some(), "{title}: {found:?}");
        n_examples += 1;
    }
    assert_eq!(n_examples, 5);
}

/// Every word that a release of conntrack-tools reserved, but for the names of protocols.
const KEYWORDS: &str = "
    Accept ACKWindowSize Address alarm Backlog CacheTimeout CacheWriteThrough Checksum CLOSE CLOSED
    CLOSE_WAIT CommitTimeout Default DelayDestroyMessages DestroyTimeout DisableExternalCache
    DisableInternalCache ErrorQueueLength ESTABLISHED EventIterationLimit ExpectationSync ExpectMax
    ExpectTimeout Family Filter FIN_WAIT for From ftfw General Group HashLimit HashSize Helper Ignore
    IgnoreProtocol IgnoreTrafficFor Interface IPv4_address IPv4_Destination_Address IPv4_interface
    IPv6_address IPv6_Destination_Address IPv6_interface Kernelspace LAST_ACK LISTEN ListenTo LockFile
    LogFile LogFileBufferSize McastRcvSocketBuffer McastSndSocketBuffer Mode Multicast nack
    NetlinkBufferSize NetlinkBufferSizeMaxGrowth NetlinkEventsReliable NetlinkOverrunResync Nice no
    notrack off on Options Path persistent Policy PollSecs Port Priority Protocol PurgeTimeout QueueLen
    QueueNum RcvSocketBuffer RefreshTime RelaxTransitions Replicate ResendBufferSize ResendQueueSize
    Scheduler Setup SndSocketBuffer SocketBufferSize SocketBufferSizeMaxGrown SocketBufferSizeMaxGrowth
    StartupResync State Stats StripNAT Sync Syslog Systemd SYN_RECV SYN_SENT TCP TCPWindowTracking
    TIME_WAIT Type UDP UNIX Userspace yes";

/// The words of literals, in small letters.
fn literals<'t>(text: &'t str, begin: &'t str, end: &'t str) -> Vec<String> {
    let literals = text
        .split(begin)
        .skip(1)
        .filter_map(|rest| rest.split(end).next());
    literals
        .flat_map(str::split_whitespace)
        .map(str::to_ascii_lowercase)
        .collect()
}

#[test]
fn every_keyword_of_every_release_is_explained() {
    let page = reference::markdown();
    // Every other backtick begins a literal.
    let of_page: Vec<String> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(str::split_whitespace)
        .map(str::to_ascii_lowercase)
        .collect();
    let of_man = literals(&reference::man(), r"\fB", r"\fR");
    let mut n_keywords = 0;
    for keyword in KEYWORDS.split_whitespace() {
        let keyword = keyword.to_ascii_lowercase();
        assert!(
            of_page.contains(&keyword),
            "{keyword} is not on the reference page"
        );
        assert!(of_man.contains(&keyword), "{keyword} is not on the manual page");
        n_keywords += 1;
    }
    assert_eq!(n_keywords, 105);
}

#[test]
fn the_manual_page_is_ascii_and_has_no_stray_request() {
    let man = reference::man();
    assert!(man.is_ascii());
    const REQUESTS: [&str; 11] = [
        ".\\\"", ".TH", ".SH", ".SS", ".PP", ".TP", ".IP", ".EX", ".EE", ".BR", "\\&",
    ];
    for line in man.lines().filter(|line| line.starts_with(['.', '\''])) {
        let request = line.split(' ').next().unwrap_or_default();
        assert!(REQUESTS.contains(&request), "{line}");
    }
}
