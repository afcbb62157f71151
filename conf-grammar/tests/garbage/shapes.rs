//! A megabyte of anything: files that no person writes and that a reader must survive.
//!
//! The tests and the benches share them.

use std::fmt::Write as _;

/// Bytes of most shapes.
const SIZE: usize = 1 << 20;

/// A name and the file.
pub(crate) type Shape = (String, Vec<u8>);

/// Returns every shape.
pub(crate) fn all() -> Vec<Shape> {
    let mut shapes: Vec<Shape> = BYTES.iter().map(|piece| shape("", piece, "")).collect();
    shapes.extend(
        PIECES
            .iter()
            .map(|(head, piece, tail)| shape(head, piece.as_bytes(), tail)),
    );
    shapes.extend(lists());
    shapes.extend(long_words());
    shapes.extend([
        ("random bytes".to_owned(), random_bytes()),
        ("random words".to_owned(), random_words()),
    ]);
    shapes
}

const BYTES: [&[u8]; 20] = [
    b"{",
    b"}",
    b"#",
    b"\"",
    b"/",
    b"x",
    b"=",
    b" ",
    b"\t",
    b"\n",
    b"\r",
    b"\0",
    b"\xff",
    b"\xff\n",
    b"\xc2\xa0",
    b"\x1b[31m\n",
    b"\xc2\x9b31m\n",
    b"\xef\xbb\xbf",
    b"\xf0\x9f\x98\x80",
    b"\xe2\x80\xaex\n",
];

/// What stands before the pieces, a piece, and what stands behind them all.
const PIECES: [(&str, &str, &str); 38] = [
    ("", "{}", ""),
    ("", "x ", ""),
    ("", "x { ", ""),
    ("", "x {\n", ""),
    ("", "\" ", ""),
    ("", "\"\n", ""),
    ("", "/x ", ""),
    ("", "General {", ""),
    ("", "General {\n", ""),
    ("", "General {\n\tUNIX {\n", ""),
    ("", "General {\n\t}\n}\n", ""),
    ("", "Sync { UDP {", ""),
    ("", "Sync { UDP {\n}\n", ""),
    ("", "General { }\n", ""),
    ("", "Stats { }\nSync { }\n", ""),
    ("", "Genral { }\n", ""),
    ("", "StripNAT\n", ""),
    ("", "IgnoreTrafficFor { IPv4_address 10.0.0.1 }\n", ""),
    ("General {\n", "HashSize 1\n", "}\n"),
    ("General {\n", "HashSzie 1\n", "}\n"),
    ("General {\n", "HashSize\n", "}\n"),
    ("General {\n", "HashSize 1 ", "}\n"),
    ("General {\n", "Port 1\n", "}\n"),
    ("General {\n", "SocketBufferSize 1\n", "}\n"),
    ("General {\n", "UNIX { Path /x }\n", "}\n"),
    ("General {\n", "Filter { Address Ignore { } }\n", "}\n"),
    (
        "General {\n",
        "Filter { Address Accept { IPv4_address 10.0.0.1 } }\n",
        "}\n",
    ),
    (
        "General { Filter { State Accept {\n",
        "SYN_SENT ",
        "for TCP } } }\n",
    ),
    (
        "General { Filter { State Accept {\n",
        "SYN_SENT for TCP\n",
        "} } }\n",
    ),
    ("General { Filter { Protocol Accept {\n", "TCP\n", "} } }\n"),
    ("General { Filter { Protocol Accept {\n", "nope\n", "} } }\n"),
    ("Helper {\n", "Type ftp inet tcp { QueueNum 1 }\n", "}\n"),
    (
        "Helper { Type ftp inet tcp {\n",
        "Policy ftp { ExpectMax 1 }\n",
        "} }\n",
    ),
    ("Sync {\n", "Mode FTFW { }\n", "}\n"),
    ("Sync {\n", "Mode FTFW { }\nMode ALARM { }\n", "}\n"),
    ("Sync {\n", "Options { ExpectationSync { ftp } }\n", "}\n"),
    ("Sync {\n", "Replicate ESTABLISHED for TCP\n", "}\n"),
    (
        "Sync {\n",
        "UDP {\nIPv4_address 192.0.2.1\nIPv4_Destination_Address 192.0.2.2\nPort 1\nInterface e\n}\n",
        "}\n",
    ),
];

fn shape(head: &str, piece: &[u8], tail: &str) -> Shape {
    let name = format!("{head}{}", String::from_utf8_lossy(piece))
        .escape_debug()
        .to_string();
    let mut source = head.as_bytes().to_vec();
    let n_pieces = SIZE / piece.len();
    source.extend(piece.iter().cycle().take(n_pieces * piece.len()));
    source.extend(tail.as_bytes());
    (name, source)
}

/// One long word in place of the value of each clause, and of each entry of a list.
fn long_words() -> Vec<Shape> {
    const HEADS: [(&str, &str); 16] = [
        ("General { HashSize ", "}"),
        ("General { Systemd ", "}"),
        ("General { Syslog ", "}"),
        ("General { LockFile ", "}"),
        ("General { LockFile /", "}"),
        ("General { NetlinkOverrunResync ", "}"),
        ("General { Scheduler { Type ", "} }"),
        ("General { Filter From ", "{ } }"),
        ("General { Filter { Protocol ", "{ } } }"),
        ("General { Filter { Protocol Accept { ", "} } }"),
        ("General { Filter { Address Accept { IPv4_address ", "} } }"),
        ("General { Filter { State Accept { CLOSE for ", "} } }"),
        ("Sync { Mode ", "{ } }"),
        ("Sync { UDP { Interface ", "} }"),
        ("Sync { Options { ExpectationSync ", "} }"),
        ("Helper { Type ", "inet tcp { } }"),
    ];
    HEADS
        .iter()
        .flat_map(|(head, tail)| {
            let tail = format!(" {tail}");
            [b"x", b"1"].map(|letter| shape(head, letter, &tail))
        })
        .collect()
}

/// Long lists whose entries differ, and one whose entries do not.
fn lists() -> Vec<Shape> {
    const N: u32 = 100_000;
    let file = |head: &str, entry: &dyn Fn(u32) -> String, tail: &str| {
        let mut source = head.to_owned();
        for i in 0..N {
            let _ = writeln!(source, "{}", entry(i));
        }
        source.push_str(tail);
        source.into_bytes()
    };
    let ipv4 = |i: u32| {
        let [_, b, c, d] = i.to_be_bytes();
        format!("IPv4_address 10.{b}.{c}.{d}")
    };
    let link =
        "Sync { UDP { IPv4_address 10.0.0.1 IPv4_Destination_Address 10.0.0.2 Port 1 Interface e } }\n";
    let filter = |from: &str| format!("{link}General {{ Filter {from} {{ Address Ignore {{\n");
    let end = "} } }\n";
    vec![
        ("addresses".to_owned(), file(&filter(""), &ipv4, end)),
        (
            "addresses in the kernel".to_owned(),
            file(&filter("From Kernelspace"), &ipv4, end),
        ),
        (
            "IPv6 networks".to_owned(),
            file(
                &filter(""),
                &|i| format!("IPv6_address 2001:db8:{:x}:{:x}::/64", i >> 8, i & 0xff),
                end,
            ),
        ),
        (
            "the same address".to_owned(),
            file(&filter(""), &|_| ipv4(1), end),
        ),
        (
            "the same address, far from itself".to_owned(),
            repeated_far_away(&filter(""), &ipv4(1), end),
        ),
        (
            "names of expectations".to_owned(),
            file("Sync { Options { ExpectationSync {\n", &|i| format!("h{i}"), end),
        ),
        (
            "misspelt clauses".to_owned(),
            file("General {\n", &|i| format!("HashSiz{i} 1"), "}\n"),
        ),
        (
            "a section for each clause".to_owned(),
            file(link, &|i| format!("General {{ HashLimit {} }}", i + 1), ""),
        ),
    ]
}

/// An entry so often and so far from the first one that every finding about it shows a long piece of the file.
fn repeated_far_away(head: &str, entry: &str, tail: &str) -> Vec<u8> {
    let line = format!("{entry} #{}\n", "-".repeat(300));
    let n_lines = SIZE / line.len();
    format!("{head}{}{tail}", line.repeat(n_lines)).into_bytes()
}

/// A generator that gives the same numbers for ever (xorshift64).
fn random() -> impl FnMut() -> u64 {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

fn random_bytes() -> Vec<u8> {
    let mut random = random();
    (0..SIZE / 8).flat_map(|_| random().to_le_bytes()).collect()
}

fn random_words() -> Vec<u8> {
    const WORDS: [&str; 32] = [
        "{",
        "}",
        "{",
        "}",
        "\n",
        "\n",
        "General",
        "Sync",
        "Stats",
        "Helper",
        "Mode FTFW",
        "Mode",
        "UDP",
        "Multicast",
        "Default",
        "Port 1",
        "Filter",
        "From",
        "Address Accept",
        "State Ignore",
        "SYN_SENT",
        "for TCP",
        "HashSize 1",
        "IPv4_address 10.0.0.1/8",
        "Interface eth0",
        "Options",
        "ExpectationSync",
        "on",
        "/path",
        "#",
        "\"",
        "=",
    ];
    let mut random = random();
    let mut source = String::new();
    while source.len() < SIZE {
        let pick = usize::try_from(random() % 32).unwrap_or(0);
        source.push_str(WORDS[pick]);
        source.push(' ');
    }
    source.into_bytes()
}
