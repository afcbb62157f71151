//! Flows as options of the command line: lines that `conntrack -R` takes.
//!
//! Words and order are those of the stock program, so that either reads what the other has written. What it
//! has no words for stands at the end: the mark (`-m`, unless it is 0), labels (`--label-add`, a label
//! without a name as `#` and its number) and the helper (`--helper`). A translation that its reader
//! would lose carries the port: one of both sides, and one of the port alone. Verification tags of
//! SCTP are numbers in network order; the stock program swaps their bytes on machines of the other one.

use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use super::attributes::write_lossy;
use super::render::{Render, Sink, address, decimal, field, ports_or_zero};
use super::{DccpRole, Flow, L4Key, LabelNames, Labels, Nat, ProtoState, Protocol, Status, Tuple};

/// What reading the line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// It creates the flow, or changes it to what the line says (`-A`).
    Add,
    /// It changes the flow (`-U`); the helper of a flow cannot be changed and is left out.
    Update,
    /// It deletes the flow (`-D`); the line says which, but not its mark, labels and helper.
    Delete,
}

/// A flow as one line, without its end.
#[derive(Clone, Copy, Debug)]
pub struct SaveLine<'a> {
    /// The flow.
    pub flow: &'a Flow,
    /// What reading the line does.
    pub verb: Verb,
    /// Names of the labels.
    pub labels: Option<&'a dyn LabelNames>,
}

impl SaveLine<'_> {
    /// Appends the line to `out`, as [`fmt::Display`] prints it but faster.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        self.append_to(out);
    }
}

impl fmt::Display for SaveLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.render(f)
    }
}

impl Render for SaveLine<'_> {
    fn render(&self, out: &mut impl Sink) -> fmt::Result {
        let flow = self.flow;
        let reply = flow.reply_or_derived();
        out.write_str(match self.verb {
            Verb::Add => "-A",
            Verb::Update => "-U",
            Verb::Delete => "-D",
        })?;
        option(out, " -t ", flow.timeout_secs)?;
        if let Some(bits) = flow.status {
            status(out, bits)?;
        }
        option(out, " -c ", flow.secmark)?;
        option(out, " -w ", flow.zone)?;
        option(out, " --orig-zone ", flow.zone_orig)?;
        option(out, " --reply-zone ", flow.zone_reply)?;
        addresses(out, &flow.orig, &reply, flow.nat_in_effect())?;
        key(out, &flow.orig, &reply)?;
        state(out, flow.proto)?;
        match self.verb {
            Verb::Add => {
                self.mark_and_labels(out)?;
                self.helper(out)
            }
            Verb::Update => self.mark_and_labels(out),
            Verb::Delete => Ok(()),
        }
    }
}

impl SaveLine<'_> {
    fn mark_and_labels(&self, out: &mut impl Sink) -> fmt::Result {
        option(out, " -m ", self.flow.mark.filter(|mark| *mark != 0))?;
        let Some(labels) = self.flow.labels.filter(|labels| labels.0 != 0) else {
            return Ok(());
        };
        out.write_str(" --label-add ")?;
        if labels
            .iter()
            .filter_map(|label| self.name(label))
            .any(needs_quotes)
        {
            out.write_str("\"")?;
            self.names(&mut Quoted(out), labels)?;
            out.write_str("\"")
        } else {
            self.names(out, labels)
        }
    }

    fn name(&self, label: u8) -> Option<&str> {
        self.labels.and_then(|names| names.name(label))
    }

    fn names(&self, out: &mut impl Sink, labels: Labels) -> fmt::Result {
        let mut separator = "";
        for label in labels.iter() {
            out.write_str(separator)?;
            match self.name(label) {
                Some(name) => out.write_str(name)?,
                None => field(out, "#", label)?,
            }
            separator = ",";
        }
        Ok(())
    }

    fn helper(&self, out: &mut impl Sink) -> fmt::Result {
        let Some(helper) = self.flow.helper.as_ref().map(|helper| helper.as_bytes()) else {
            return Ok(());
        };
        out.write_str(" --helper ")?;
        match str::from_utf8(helper) {
            Ok(name) if !needs_quotes(name) => out.write_str(name),
            Ok(_) | Err(_) => {
                out.write_str("\"")?;
                write_lossy(&mut Quoted(out), helper)?;
                out.write_str("\"")
            }
        }
    }
}

fn option(out: &mut impl Sink, name: &str, number: Option<impl Into<u64>>) -> fmt::Result {
    match number {
        Some(number) => field(out, name, number),
        None => Ok(()),
    }
}

/// Writes the bits that a person can give.
fn status(out: &mut impl Sink, status: Status) -> fmt::Result {
    let mut separator = " -u ";
    for (bit, name) in [
        (Status::SEEN_REPLY, "SEEN_REPLY"),
        (Status::ASSURED, "ASSURED"),
        (Status::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
        (Status::EXPECTED, "EXPECTED"),
    ] {
        if status.contains(bit) {
            out.write_str(separator)?;
            out.write_str(name)?;
            separator = ",";
        }
    }
    out.write_str(if separator == "," { "" } else { " -u UNSET" })
}

/// Writes the addresses of both directions, those of the reply as translations where they are.
fn addresses(out: &mut impl Sink, orig: &Tuple, reply: &Tuple, nat: Nat) -> fmt::Result {
    let is_double = (nat.snat.is_some() || nat.spat.is_some()) && (nat.dnat.is_some() || nat.dpat.is_some());
    // Behind one translated address the reply ports are enough.
    let port = |addr: Option<IpAddr>, port: Option<u16>| port.filter(|_| is_double || addr.is_none());
    out.write_str(" -s ")?;
    address(out, orig.addrs.src())?;
    out.write_str(" -d ")?;
    address(out, orig.addrs.dst())?;
    let is_dst_nat = nat.dnat.is_some() || nat.dpat.is_some();
    out.write_str(if is_dst_nat { " -g " } else { " -r " })?;
    place(out, reply.addrs.src(), port(nat.dnat, nat.dpat))?;
    let is_src_nat = nat.snat.is_some() || nat.spat.is_some();
    out.write_str(if is_src_nat { " -n " } else { " -q " })?;
    place(out, reply.addrs.dst(), port(nat.snat, nat.spat))
}

/// Writes an address with the port, if there is one.
fn place(out: &mut impl Sink, addr: IpAddr, port: Option<u16>) -> fmt::Result {
    let Some(port) = port else {
        return address(out, addr);
    };
    if addr.is_ipv6() {
        out.write_str("[")?;
        address(out, addr)?;
        out.write_str("]")?;
    } else {
        address(out, addr)?;
    }
    field(out, ":", port)
}

/// Writes the protocol with what tells its flows apart.
fn key(out: &mut impl Sink, orig: &Tuple, reply: &Tuple) -> fmt::Result {
    out.write_str(" -p ")?;
    if !orig.proto.has_ports() && !orig.proto.is_icmp() {
        return decimal(out, orig.proto.0);
    }
    out.write_str(orig.proto.name())?;
    if orig.proto.is_icmp() {
        let [icmp_type, code, id] = match orig.proto {
            Protocol::ICMP => [" --icmp-type ", " --icmp-code ", " --icmp-id "],
            _ => [" --icmpv6-type ", " --icmpv6-code ", " --icmpv6-id "],
        };
        let (of_type, of_code, of_id) = match orig.key {
            L4Key::Icmp { icmp_type, code, id } => (icmp_type, code, id),
            L4Key::None | L4Key::Ports { .. } => (0, 0, 0),
        };
        field(out, icmp_type, of_type)?;
        field(out, code, of_code)?;
        return field(out, id, of_id);
    }
    let names = match orig.proto {
        Protocol::GRE => [
            " --srckey ",
            " --dstkey ",
            " --reply-key-src ",
            " --reply-key-dst ",
        ],
        _ => [
            " --sport ",
            " --dport ",
            " --reply-port-src ",
            " --reply-port-dst ",
        ],
    };
    let ((src, dst), (reply_src, reply_dst)) = (ports_or_zero(orig), ports_or_zero(reply));
    for (name, number) in names.into_iter().zip([src, dst, reply_src, reply_dst]) {
        field(out, name, number)?;
    }
    Ok(())
}

fn state(out: &mut impl Sink, proto: ProtoState) -> fmt::Result {
    if let Some(name) = proto.state_name() {
        out.write_str(" --state ")?;
        out.write_str(name)?;
    }
    match proto {
        ProtoState::Sctp {
            vtag_orig,
            vtag_reply,
            ..
        } => {
            field(out, " --orig-vtag ", vtag_orig)?;
            field(out, " --reply-vtag ", vtag_reply)
        }
        ProtoState::Dccp {
            role: DccpRole(0), ..
        } => out.write_str(" --role client"),
        ProtoState::Dccp { .. } => out.write_str(" --role server"),
        ProtoState::None | ProtoState::Tcp(_) => Ok(()),
    }
}

/// Returns whether a reader of lines would take `word` for anything but one word.
fn needs_quotes(word: &str) -> bool {
    word.is_empty() || word.contains(|c: char| c == ' ' || c == '"' || c == '\\' || c.is_control())
}

/// A sink within quotation marks; control characters, which could end the line, become the replacement
/// character.
struct Quoted<'a, S>(&'a mut S);

impl<S: Sink> fmt::Write for Quoted<'_, S> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '"' => self.0.write_str("\\\"")?,
                '\\' => self.0.write_str("\\\\")?,
                c if c.is_control() => self.0.write_str("\u{fffd}")?,
                c => self.0.write_char(c)?,
            }
        }
        Ok(())
    }
}

impl<S: Sink> Sink for Quoted<'_, S> {}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString as _};

    use super::*;
    use crate::flow::details::told::EvenLabels;
    use crate::flow::{HelperName, parse};

    /// Returns the saved form of a flow that is given as a plain line, with its translation done.
    fn saved(line: &str, change: impl FnOnce(&mut Flow)) -> String {
        let mut flow = parse::line(line).unwrap().flow;
        flow.status = flow
            .status
            .map(|status| status | Status::SRC_NAT_DONE | Status::DST_NAT_DONE);
        change(&mut flow);
        SaveLine {
            flow: &flow,
            verb: Verb::Add,
            labels: Some(&EvenLabels),
        }
        .to_string()
    }

    #[test]
    fn a_translation_that_its_reader_would_lose_carries_the_port() {
        for (line, words) in [
            (
                "udp 17 9 src=10.0.0.5 dst=10.0.1.1 sport=5 dport=80 src=6.6.6.7 dst=5.5.5.7 sport=8081 dport=1001",
                "-g 6.6.6.7:8081 -n 5.5.5.7:1001 -p udp --sport 5 --dport 80 --reply-port-src 8081 \
                 --reply-port-dst 1001",
            ),
            (
                "udp 17 9 src=fd00::5 dst=fd00::1 sport=5 dport=80 src=fd00::9 dst=fd00::8 sport=99 dport=5",
                "-g [fd00::9]:99 -n fd00::8 -p udp --sport 5 --dport 80 --reply-port-src 99 --reply-port-dst 5",
            ),
            (
                "udp 17 9 src=10.0.0.6 dst=10.0.1.1 sport=5 dport=80 src=10.0.1.1 dst=10.0.0.6 sport=8081 dport=5",
                "-g 10.0.1.1:8081 -q 10.0.0.6 -p udp --sport 5 --dport 80 --reply-port-src 8081 --reply-port-dst 5",
            ),
            (
                "udp 17 9 src=10.0.0.6 dst=10.0.1.1 sport=5 dport=80 src=6.6.6.6 dst=10.0.0.6 sport=8081 dport=5",
                "-g 6.6.6.6 -q 10.0.0.6 -p udp --sport 5 --dport 80 --reply-port-src 8081 --reply-port-dst 5",
            ),
        ] {
            let line = saved(line, |_| {});
            assert!(line.ends_with(words), "{line}");
        }
    }

    #[test]
    fn what_the_stock_program_has_no_words_for_stands_at_the_end() {
        let line =
            "udp 17 9 src=10.0.0.5 dst=10.0.1.1 sport=5 dport=80 src=10.0.1.1 dst=10.0.0.5 sport=80 dport=5";
        let fill = |flow: &mut Flow| {
            flow.mark = Some(5);
            flow.labels = Some(Labels(0b1_0111 | 1 << 127));
            flow.helper = HelperName::from_bytes(b"my \"one\\").ok();
        };
        let end = r#" -m 5 --label-add "web,#1,mail-in,spaced name,#127" --helper "my \"one\\""#;
        let line = saved(line, fill);
        assert!(line.ends_with(end), "{line}");
    }

    #[test]
    fn a_name_cannot_begin_another_command() {
        let line = saved("udp 17 9 src=10.0.0.5 dst=10.0.1.1 sport=5 dport=80", |flow| {
            flow.helper = HelperName::from_bytes(b"x\n-F").ok();
        });
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.ends_with(" --helper \"x\u{fffd}-F\""), "{line}");
    }
}
