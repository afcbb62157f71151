//! The effective configuration as a file.
//!
//! What differs from its default is a clause, the rest is in comments, so that the text says all that
//! the daemon will do. Every struct of the model is taken apart in full (`let General { .. }` without
//! the dots): a setting that is added to the model does not compile until it is printed.

mod filter;
mod general;
mod helpers;
mod links;
mod sync;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use crate::model::{Config, Facility, HelperL3, HelperL4, Running, SchedulerClass, StatsConfig, TcpState};
use crate::schema::{self, BlockKind, ClauseSpec, DefaultValue, Kind};
use crate::span::Spanned;

/// Returns a file that configures the same daemon, in today's spelling.
///
/// A setting that has its default value is written as a comment with the mark `default`; a comment of
/// this kind can be made a clause without changing anything. The text depends on the values alone, not
/// on the file that gave them: reading it returns an equal configuration, whose text is the same again.
/// (What only the stock dialect lets pass needs that dialect again.)
///
/// ```
/// let config = conf_grammar::parse("x", b"Stats { LogFile on }").config.expect("the file is valid");
/// let text = conf_grammar::print(&config);
/// assert!(text.contains("\n\tLogFile /var/log/conntrackd-stats.log\n"));
/// assert!(text.contains("\n\t# HashSize 65536  # default, buckets\n"));
/// assert_eq!(conf_grammar::parse("y", text.as_bytes()).config, Some(config));
/// ```
pub fn print(config: &Config) -> String {
    let Config {
        general,
        running,
        helpers,
    } = config;
    let mut out = Printer::new();
    general::general(general, &mut out);
    match running {
        Running::Sync(sync) => sync::sync(sync, &mut out),
        Running::Stats(stats) => self::stats(stats, &mut out),
        Running::HelpersOnly => {}
    }
    helpers::helpers(helpers, *running == Running::HelpersOnly, &mut out);
    out.text
}

fn stats(stats: &StatsConfig, out: &mut Printer) {
    let StatsConfig {
        section: _,
        log_file,
        syslog,
    } = stats;
    out.open("Stats", BlockKind::Stats);
    out.setting("LogFile", log_file);
    out.setting("Syslog", syslog);
    out.close();
}

/// Writes the file line by line.
struct Printer {
    text: String,
    /// The blocks that are open, outermost first.
    blocks: Vec<BlockKind>,
}

impl Printer {
    fn new() -> Self {
        let text = "# The effective configuration; what has its default value is a comment.\n".to_owned();
        Self {
            text,
            blocks: Vec::new(),
        }
    }

    /// Begins a block, a section after an empty line.
    fn open(&mut self, head: &str, kind: BlockKind) {
        if self.blocks.is_empty() {
            self.text.push('\n');
        }
        self.line(&format!("{head} {{"));
        self.blocks.push(kind);
    }

    fn close(&mut self) {
        self.blocks.pop();
        self.line("}");
    }

    fn line(&mut self, text: &str) {
        let indent = "\t".repeat(self.blocks.len());
        let _ = writeln!(self.text, "{indent}{text}");
    }

    /// Writes a clause, as a comment if it says what holds without it.
    fn setting<T: Spell>(&mut self, name: &str, setting: &Spanned<T>) {
        let default = self.spec(name).map_or(DefaultValue::None, |spec| spec.default);
        let meaning = setting.value.meaning();
        let default = match (default, meaning) {
            (DefaultValue::Number(number), _) => Some(number.spell()),
            (DefaultValue::Bool(on), _) => Some(on.spell()),
            (DefaultValue::Path(path), _) => Some(path.to_owned()),
            (DefaultValue::Class(class), _) => Some(class.spell()),
            (DefaultValue::Unset(_), Meaning::Unset) => Some(setting.value.spell()),
            (DefaultValue::Unset(_) | DefaultValue::Mode(_), _)
            | (DefaultValue::None | DefaultValue::Required | DefaultValue::Either(_), _) => None,
        };
        self.setting_or(name, setting, default.as_deref());
    }

    /// Writes a clause, as a comment if it is spelt like the default.
    fn setting_or<T: Spell>(&mut self, name: &str, setting: &Spanned<T>, default: Option<&str>) {
        let spec = self.spec(name);
        let note = match setting.value.meaning() {
            Meaning::Word => "",
            Meaning::Number => match spec.and_then(|spec| spec.args.first()) {
                Some(Kind::Uint(range) | Kind::BoolOrUint(range)) => range.unit,
                Some(_) | None => "",
            },
            Meaning::Unset => instead(spec),
        };
        let value = setting.value.spell();
        let line = match (default == Some(value.as_str()), note) {
            (true, "") => format!("# {name} {value}  # default"),
            (true, note) => format!("# {name} {value}  # default, {note}"),
            (false, "") => format!("{name} {value}"),
            (false, note) => format!("{name} {value}  # {note}"),
        };
        self.line(&line);
    }

    /// Writes what holds in place of a clause that has no spelling for it.
    fn without(&mut self, name: &str) {
        let instead = instead(self.spec(name));
        self.remark(&format!("no {name}: {instead}"));
    }

    /// Writes a clause that is never left out.
    fn clause(&mut self, name: &str, value: &impl Spell) {
        self.line(&format!("{name} {}", value.spell()));
    }

    /// Writes what there is no clause for.
    fn remark(&mut self, text: &str) {
        self.line(&format!("# {text}"));
    }

    /// The row of the table that speaks of a clause of this block.
    fn spec(&self, name: &str) -> Option<&'static ClauseSpec> {
        schema::block(*self.blocks.last()?).clause(name)
    }
}

/// What holds while the clause has no value.
fn instead(spec: Option<&ClauseSpec>) -> &'static str {
    match spec.map(|spec| spec.default) {
        Some(DefaultValue::Unset(instead)) => instead,
        Some(_) | None => "not set",
    }
}

/// What a spelling is to a reader.
enum Meaning {
    /// It explains itself.
    Word,
    /// It counts something.
    Number,
    /// It is the number 0 and counts nothing.
    Unset,
}

/// A value as it stands in a file.
trait Spell {
    fn spell(&self) -> String;

    fn meaning(&self) -> Meaning {
        Meaning::Word
    }
}

macro_rules! spell_as_displayed {
    ($($type:ty: $meaning:ident),* $(,)?) => {
        $(impl Spell for $type {
            fn spell(&self) -> String {
                self.to_string()
            }

            fn meaning(&self) -> Meaning {
                Meaning::$meaning
            }
        })*
    };
}

spell_as_displayed! {
    u8: Number,
    u16: Number,
    u32: Number,
    NonZeroU16: Word,
    Ipv4Addr: Word,
    Ipv6Addr: Word,
    String: Word,
}

impl Spell for bool {
    fn spell(&self) -> String {
        if *self { "on" } else { "off" }.to_owned()
    }
}

impl Spell for PathBuf {
    fn spell(&self) -> String {
        self.display().to_string()
    }
}

/// `None` is the number 0: the clause says nothing.
impl Spell for Option<u32> {
    fn spell(&self) -> String {
        self.unwrap_or(0).to_string()
    }

    fn meaning(&self) -> Meaning {
        match self {
            Some(_) => Meaning::Number,
            None => Meaning::Unset,
        }
    }
}

impl Spell for Option<PathBuf> {
    fn spell(&self) -> String {
        self.as_ref().map_or_else(|| false.spell(), Spell::spell)
    }
}

impl Spell for Option<Facility> {
    fn spell(&self) -> String {
        match self {
            None => false.spell(),
            Some(Facility::Daemon) => "daemon".to_owned(),
            Some(Facility::Local(number)) => format!("local{number}"),
        }
    }
}

impl Spell for SchedulerClass {
    fn spell(&self) -> String {
        match self {
            Self::RoundRobin => "RR",
            Self::Fifo => "FIFO",
        }
        .to_owned()
    }
}

impl Spell for TcpState {
    fn spell(&self) -> String {
        let name = Self::NAMES.iter().find(|(_, state)| state == self);
        name.map_or_else(String::new, |(name, _)| (*name).to_owned())
    }
}

impl Spell for HelperL3 {
    fn spell(&self) -> String {
        match self {
            Self::Inet => "inet",
            Self::Inet6 => "inet6",
        }
        .to_owned()
    }
}

impl Spell for HelperL4 {
    fn spell(&self) -> String {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Status;

    #[test]
    fn every_clause_of_today_is_printed() {
        const FILES: [&str; 5] = [
            "General { PollSecs 1 NetlinkBufferSizeMaxGrowth 0 Filter { Protocol Accept { } State Accept { } \
             Address Accept { IPv4_address 192.0.2.1 IPv6_address ::1 } } } \
             Sync { TCP { IPv6_Destination_Address ::1 Port 1 Interface a } }",
            "Sync { Mode ALARM { } UDP { IPv4_Destination_Address 192.0.2.1 Port 1 Interface a } }",
            "Sync { Mode NOTRACK { } Multicast { IPv4_address 225.0.0.1 IPv4_interface 192.0.2.1 Group 1 Interface a } }",
            "Sync { Multicast { IPv6_address ff02::1 Group 1 Interface a } }",
            "Helper { Type ftp inet tcp { Policy ftp { ExpectMax 9 } } } General { Scheduler { } } Stats { }",
        ];
        let mut text = String::new();
        for file in FILES {
            let outcome = crate::parse("x", file.as_bytes());
            text += &print(
                &outcome
                    .config
                    .unwrap_or_else(|| panic!("{:?}", outcome.diagnostics)),
            );
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        for kind in BlockKind::ALL {
            for clause in schema::block(kind).clauses() {
                let is_alive = matches!(clause.status, Status::Alive);
                assert!(
                    !is_alive || words.contains(&clause.name),
                    "{} of {kind:?}",
                    clause.name
                );
            }
        }
    }
}
