//! Links: checksums, buffers, interfaces.

use super::warn;
use crate::diagnose::{Code, Diagnostic, Sink, echo};
use crate::model::{Config, Interface, Link, Links, Mode, MulticastGroup, Unicast, UnicastAddresses};
use crate::span::{Span, Spanned};

/// Bytes of a socket's buffer that a full datagram takes: the kernel charges the memory it allocated.
/// Measured on Linux 6.18 over veth: datagrams of 700 to 1,472 bytes take 2,304, those of up to 100 bytes
/// take 832; 92 full ones fit into the default of 212,992 bytes and 1,084 into 2,498,560.
const DATAGRAM_LEN: u64 = 2304;
/// Messages in a full datagram: a message has some 80 bytes, more with NAT or IPv6.
const MESSAGES_PER_DATAGRAM: u64 = 15;
/// `net.core.rmem_default` and `wmem_default` of Linux.
const SYSTEM_BUFFER_LEN: u64 = 212_992;
/// Where nothing is sent again, a buffer should hold so many full datagrams.
const NOTRACK_DATAGRAMS_MIN: u64 = 400;
/// What to write for `SndSocketBuffer` and `RcvSocketBuffer`.
const GOOD_BUFFER: u32 = 1_249_280;

/// What the links of all kinds have in common.
struct LinkView<'c> {
    span: Span,
    interface: &'c Spanned<Interface>,
    send_buffer: Spanned<Option<u32>>,
    recv_buffer: Spanned<Option<u32>>,
    checksum: Spanned<bool>,
    /// Why a checksum is computed in any case.
    checksum_is_forced: Option<&'static str>,
}

impl<'c> LinkView<'c> {
    fn new<T>(link: &'c Link<T>, checksum_is_forced: Option<&'static str>) -> Self {
        Self {
            span: link.span,
            interface: &link.interface,
            send_buffer: link.send_buffer,
            recv_buffer: link.recv_buffer,
            checksum: link.checksum,
            checksum_is_forced,
        }
    }

    fn of_group(link: &'c Link<MulticastGroup>) -> Self {
        let is_forced = matches!(link.transport, MulticastGroup::V6 { .. });
        Self::new(link, is_forced.then_some("over IPv6"))
    }

    fn of_pair(link: &'c Link<Unicast>) -> Self {
        let is_forced = matches!(link.transport.addresses, UnicastAddresses::V6 { .. });
        Self::new(link, is_forced.then_some("over IPv6"))
    }

    /// Both buffers by the names of their clauses.
    fn buffers(&self) -> [(&'static str, Spanned<Option<u32>>); 2] {
        [
            ("SndSocketBuffer", self.send_buffer),
            ("RcvSocketBuffer", self.recv_buffer),
        ]
    }
}

fn all(config: &Config) -> Vec<LinkView<'_>> {
    match config.sync().map(|sync| &sync.links) {
        Some(Links::Multicast(links)) => links.as_slice().iter().map(LinkView::of_group).collect(),
        Some(Links::Udp(links)) => links.as_slice().iter().map(LinkView::of_pair).collect(),
        Some(Links::Tcp { links, .. }) => links
            .as_slice()
            .iter()
            .map(|link| LinkView::new(link, Some("over TCP")))
            .collect(),
        None => Vec::new(),
    }
}

/// The links that send datagrams. For a stream the kernel sizes the buffers itself, and well.
fn datagram_links(config: &Config) -> Vec<LinkView<'_>> {
    match config.sync().map(|sync| &sync.links) {
        Some(Links::Multicast(_) | Links::Udp(_)) => all(config),
        Some(Links::Tcp { .. }) | None => Vec::new(),
    }
}

/// The switches for checksums that are off. One directly in `Sync` is that of several links.
fn checksums_off(config: &Config) -> Vec<LinkView<'_>> {
    let mut links = all(config);
    links.retain(|link| !link.checksum.value);
    links.dedup_by_key(|link| (link.checksum.span, link.checksum_is_forced));
    links
}

pub(super) fn void_checksum(config: &Config, sink: &mut Sink) {
    for link in checksums_off(config) {
        if let (Some(reason), Some(span)) = (link.checksum_is_forced, link.checksum.span) {
            let message = format!("`Checksum off` has no effect: {reason} there is always a checksum");
            sink.push(Diagnostic::warning(Code::NoEffect, span, message));
        }
    }
}

pub(super) fn checksum(config: &Config, sink: &mut Sink) {
    for link in checksums_off(config) {
        if link.checksum_is_forced.is_none() {
            let message = "without checksums a message that was damaged on the way is taken for a true one";
            let help = "remove `Checksum off`: the network card computes checksums".to_owned();
            warn(Code::ChecksumOff, &link.checksum, message.to_owned(), help, sink);
        }
    }
}

/// Losses should be made up for once: by the mode, or by the transport.
pub(super) fn recovery(config: &Config, sink: &mut Sink) {
    let (Some(sync), Some(link)) = (config.sync(), all(config).first().map(|link| link.span)) else {
        return;
    };
    let transport = match &sync.links {
        Links::Multicast(_) => "Multicast",
        Links::Udp(_) => "UDP",
        Links::Tcp { .. } => "TCP",
    };
    let mode = sync.mode.value.name();
    match (&sync.mode.value, &sync.links) {
        (Mode::Notrack { .. }, Links::Multicast(_) | Links::Udp(_)) => {
            let message =
                format!("`Mode {mode}` over `{transport}`: what a lost message told is not told again");
            let help = "write `Mode FTFW`, or a `TCP` link".to_owned();
            warn(Code::UnreliableMode, &sync.mode, message, help, sink);
        }
        (Mode::Ftfw { .. } | Mode::Alarm { .. }, Links::Tcp { .. }) => {
            let message = format!("`Mode {mode}` over `{transport}`: both make up for losses");
            let warning = Diagnostic::warning(Code::TcpWithRecoveryMode, link, message)
                .with_help("write `Mode NOTRACK`, or a `UDP` link");
            sink.push(match sync.mode.span {
                Some(place) => warning.with_related(place, "the mode"),
                None => warning,
            });
        }
        (Mode::Notrack { .. }, Links::Tcp { .. })
        | (Mode::Ftfw { .. } | Mode::Alarm { .. }, Links::Multicast(_) | Links::Udp(_)) => {}
    }
}

/// Full datagrams that a buffer of `bytes` holds, as the kernel counts.
fn datagrams(bytes: u64) -> u64 {
    bytes / DATAGRAM_LEN
}

/// Bytes of a buffer for which the file gives `size`: the kernel doubles what it is asked for.
fn effective(size: u32) -> u64 {
    u64::from(size).saturating_mul(2)
}

/// Says what to write in place of a small buffer.
fn better(clauses: &str) -> String {
    format!(
        "write {clauses}, for {} full datagrams: the kernel doubles what it is asked for",
        datagrams(effective(GOOD_BUFFER))
    )
}

/// Without buffers of its own a link has those of the system, too small for what is sent only once.
pub(super) fn notrack_buffers(config: &Config, sink: &mut Sink) {
    let mode = config.sync().map(|sync| &sync.mode);
    let Some((Mode::Notrack { .. }, mode)) = mode.map(|mode| (&mode.value, mode.span)) else {
        return;
    };
    for link in datagram_links(config) {
        let missing: Vec<&str> = link
            .buffers()
            .iter()
            .filter(|(_, buffer)| buffer.value.is_none())
            .map(|(name, _)| *name)
            .collect();
        if missing.is_empty() {
            continue;
        }
        let n_datagrams = datagrams(SYSTEM_BUFFER_LEN);
        let message = format!(
            "this link lacks {}: Linux's default holds {n_datagrams} full datagrams, about {} messages, and what \
             a larger burst loses is not sent again",
            listed(&missing, ""),
            n_datagrams.saturating_mul(MESSAGES_PER_DATAGRAM)
        );
        let warning = Diagnostic::warning(Code::SmallBuffers, link.span, message)
            .with_help(better(&listed(&missing, &format!(" {GOOD_BUFFER}"))));
        sink.push(match mode {
            Some(mode) => warning.with_related(mode, "this mode sends everything once"),
            None => warning,
        });
    }
}

/// Joins names of clauses: "`A` and `B`".
fn listed(names: &[&str], argument: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}{argument}`")).collect();
    quoted.join(" and ")
}

pub(super) fn given_buffers(config: &Config, sink: &mut Sink) {
    let Some(sync) = config.sync() else { return };
    let (bytes_min, consequence) = match &sync.mode.value {
        Mode::Ftfw { .. } => (SYSTEM_BUFFER_LEN, "what a larger burst loses is sent again"),
        Mode::Alarm { .. } => (
            SYSTEM_BUFFER_LEN,
            "what a larger burst loses is missing until the next refresh",
        ),
        Mode::Notrack { .. } => (
            NOTRACK_DATAGRAMS_MIN.saturating_mul(DATAGRAM_LEN),
            "what a larger burst loses is not sent again",
        ),
    };
    for link in datagram_links(config) {
        for (name, buffer) in link.buffers() {
            let Some(size) = buffer.value.filter(|size| effective(*size) < bytes_min) else {
                continue;
            };
            let n_datagrams = datagrams(effective(size));
            let message = format!(
                "a buffer of {size} bytes holds {n_datagrams} full datagrams, about {} messages: {consequence}",
                n_datagrams.saturating_mul(MESSAGES_PER_DATAGRAM)
            );
            let help = better(&format!("`{name} {GOOD_BUFFER}`"));
            warn(Code::SmallBuffers, &buffer, message, help, sink);
        }
    }
}

pub(super) fn same_interface(config: &Config, sink: &mut Sink) {
    let links = all(config);
    for (i, link) in links.iter().enumerate() {
        let before = links
            .iter()
            .take(i)
            .find(|before| before.interface == link.interface);
        let (Some(before), Some(span)) = (before, link.interface.span) else {
            continue;
        };
        let name = match &link.interface.value {
            Interface::Named(name) => echo(name),
            Interface::Carrying(address) => format!("the interface of {address}"),
        };
        let message = format!("two links over {name}: when it fails, both do");
        let warning = Diagnostic::warning(Code::SameInterfaceLinks, span, message)
            .with_help("a second link helps over another interface and another cable");
        sink.push(match before.interface.span {
            Some(span) => warning.with_related(span, "the other link"),
            None => warning,
        });
    }
}
