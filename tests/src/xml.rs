//! Dumps in XML, reduced to what they and the text dumps both show.

use anyhow::{Context, Result};

use crate::table::{Flow, Key, Table};

/// Protocols of which XML shows no layer-4 part: ICMP, ICMPv6.
const WITHOUT_L4: [u8; 2] = [1, 58];

impl Table {
    /// What XML shows of a flow received from a peer: one line a flow, sorted.
    pub fn as_xml_shows(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.iter().map(|(key, flow)| as_xml_shows(key, flow)).collect();
        lines.sort();
        lines
    }
}

fn as_xml_shows(key: &Key, flow: &Flow) -> String {
    let n_words = if WITHOUT_L4.contains(&key.l4proto) {
        2
    } else {
        usize::MAX
    };
    let orig: Vec<_> = key.orig.split(' ').take(n_words).collect();
    format!(
        "{} {} {:?} {} {} {} {:?}",
        key.l4proto,
        orig.join(" "),
        flow.state,
        flow.is_assured,
        flow.mark,
        key.zone,
        flow.helper
    )
}

/// Reduces a dump in XML to the lines that [`Table::as_xml_shows`] gives for the same flows.
///
/// # Errors
/// When a line is no flow.
pub fn shown(dump: &str) -> Result<Vec<String>> {
    let mut lines = dump
        .lines()
        .map(|line| flow(line).with_context(|| line.to_owned()))
        .collect::<Result<Vec<_>>>()?;
    lines.sort();
    Ok(lines)
}

fn flow(line: &str) -> Result<String> {
    let (original, rest) = line
        .split_once("</meta>")
        .context("no end of the original direction")?;
    let l4proto = original
        .split_once("<layer4 protonum=\"")
        .and_then(|(_, rest)| rest.split('"').next());
    let l4proto = l4proto
        .context("no layer 4")?
        .parse()
        .context("protocol number")?;
    let words = ["src", "dst", "sport", "dport", "srckey", "dstkey"]
        .map(|name| Some((name, element(original, name)?)));
    let orig: Vec<_> = words
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let number = |name| element(rest, name).map_or(Ok(0), |value| value.parse::<u32>().with_context(|| name));
    let key = Key {
        l4proto,
        orig: orig.join(" "),
        zone: u16::try_from(number("zone")?)?,
    };
    let flow = Flow {
        state: element(rest, "state").map(str::to_owned),
        is_assured: rest.contains("<assured/>"),
        mark: number("mark")?,
        helper: element(rest, "helper").map(str::to_owned),
        ..Flow::default()
    };
    Ok(as_xml_shows(&key, &flow))
}

/// The text of the first element of that name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_xml_of_one_flow_show_the_same() {
        let text = "udp      17 src=10.0.0.1 dst=10.0.0.2 sport=7 dport=8 [ASSURED] mark=5 zone=9 [active since 1s]\n";
        let xml = "<flow><meta direction=\"original\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>10.0.0.1</src>\
                   <dst>10.0.0.2</dst></layer3><layer4 protonum=\"17\" protoname=\"udp\"><sport>7</sport>\
                   <dport>8</dport></layer4></meta><meta direction=\"independent\"><mark>5</mark><zone>9</zone>\
                   <assured/></meta></flow>\n";
        assert_eq!(shown(xml).unwrap(), Table::parse(text).unwrap().as_xml_shows());
    }
}
