//! What the page says and no table can: how a file is read, and examples.

use crate::schema::BlockKind;

pub(super) const INTRO: &[&str] = &[
    "`conntrackd.conf` tells conntrackd(8) what to do. The daemon reads it once, at the start, from \
     `/etc/conntrackd/conntrackd.conf` or from the file that `-C` names. The language is that of netfilter's \
     conntrack-tools, and files of all its releases since 0.9.3 (2007) are understood.",
    "`conntrackd --check` reports what is wrong with a file and starts nothing; with `--host` it looks also \
     at what the file names on this machine. `--print-config` prints a file with every default, `--migrate` \
     with old clauses rewritten, and `--explain` says which clause decides on a flow.",
    "\"Since\" names the release of conntrack-tools that brought a clause, if it is later than 0.9.3. \
     \"Differs\" tells what is not as the stock daemon, conntrackd 1.4.7, has it; \"Not yet\" tells what the \
     daemon cannot carry out in this version.",
];

pub(super) const READING: &[(&str, &str)] = &[
    (
        "Layout",
        "A file is words and braces. A clause is a name with its arguments, and for some a block in braces \
         that holds more clauses. Line ends mean no more than blanks do: a clause may take several lines, \
         and several may share one. The order of clauses means nothing, but for that of links.",
    ),
    (
        "Comments",
        "`#` begins a comment, which ends with the line. Inside a path it is an ordinary character.",
    ),
    (
        "Signs",
        "There are no quotes and no separators: `\"`, `=`, `;` and `,` are errors. Nothing is included and \
         nothing substituted.",
    ),
    (
        "Encoding",
        "UTF-8, with characters outside ASCII in comments and paths alone. Lines end with LF or CR LF.",
    ),
    (
        "Letter case",
        "It matters in the names of clauses and of interfaces, and in fixed words such as `Accept`, \
         `Default` and `for`. It does not in `on` and `off`, the names of modes, protocols and scheduling \
         classes, and IPv6 addresses.",
    ),
    (
        "Switches",
        "`on` or `yes`, `off` or `no`. No other word and no number is one.",
    ),
    (
        "Numbers",
        "Decimal digits alone, without sign, base, suffix or fraction. A number outside of the range of its \
         clause is an error.",
    ),
    (
        "Paths",
        "They begin with `/` and go on to the next blank, brace or `\"`, which they can therefore not contain; \
         `\"` is an error. The last part names a file: it is not empty, `.` or `..`. The socket, the lock file \
         and the logs have a path each.",
    ),
    (
        "Addresses",
        "IPv4 as four decimal numbers without leading zeros; IPv6 as in RFC 4291, without a zone: \
         `Interface` gives that. `Filter` takes networks too, an address with `/` and the length of its \
         prefix; bits beyond it are cleared, with a warning. There are no host names.",
    ),
    (
        "Names",
        "An interface has 1 to 15 bytes, none of them a blank, `/`, `:`, `#`, a quote or a brace, and is not \
         `.` or `..`. A helper or policy has a letter and then letters, digits, `.`, `-` or `_`, 16 bytes at most.",
    ),
    (
        "Repetition",
        "Of a clause that stands twice in a block the last one counts, with a warning, unless it may be \
         given several times. Blocks of one name are read as one; of links and helpers each block is \
         another.",
    ),
    (
        "Mistakes",
        "One run reports all of them, with their places. A file with an error starts nothing; warnings do \
         not hinder. `--compat` makes warnings of those errors that the stock daemon takes for something it \
         can work with, such as two modes, and does with them what it does. What this version cannot carry \
         out is a warning of `--check`, and an error of `--check --host` and of a start.",
    ),
];

pub(super) const OLD_CLAUSES: &[&str] = &[
    "Clauses of earlier releases of conntrack-tools. They are all read, and what had a meaning keeps it \
     where that is possible; `conntrackd --migrate` rewrites them. \"Until\" names the last release that took a clause.",
];

pub(super) const DIAGNOSTICS: &[&str] = &[
    "Every finding names its code, its place and the values that are wrong; the code never changes. This is \
     what they mean.",
];

/// Where the configuration is; the other files are those that clauses name.
pub(super) const FILE: (&str, &str) = ("/etc/conntrackd/conntrackd.conf", "The configuration.");

/// A complete configuration.
pub(super) struct Example {
    pub(super) title: &'static str,
    pub(super) intro: &'static str,
    /// What it shows, which may not be there yet.
    pub(super) uses: &'static [BlockKind],
    pub(super) text: &'static str,
}

pub(super) const EXAMPLES: [Example; 5] = [
    Example {
        title: "Two firewalls, reliably",
        intro: "FT-FW over UDP, what most clusters want. The two see each other over `eth2`; the peer has \
                the same file with the addresses swapped.",
        uses: &[BlockKind::Ftfw, BlockKind::Udp],
        text: include_str!("examples/ftfw.conf"),
    },
    Example {
        title: "A group of firewalls that heals itself",
        intro: "ALARM over multicast: every node tells its flows again every 15 seconds or sooner.",
        uses: &[BlockKind::Alarm, BlockKind::Multicast],
        text: include_str!("examples/alarm.conf"),
    },
    Example {
        title: "A plain stream",
        intro: "NOTRACK over TCP, which loses nothing by itself.",
        uses: &[BlockKind::Notrack, BlockKind::Tcp],
        text: include_str!("examples/notrack.conf"),
    },
    Example {
        title: "Statistics",
        intro: "A log of the TCP flows that end, for accounting.",
        uses: &[BlockKind::Stats],
        text: include_str!("examples/stats.conf"),
    },
    Example {
        title: "Helpers",
        intro: "FTP and TFTP are followed in user space. Rules of the packet filter assign the helpers to \
                flows.",
        uses: &[BlockKind::Helper],
        text: include_str!("examples/helper.conf"),
    },
];
