//! The content of a file.

use super::{Age, Item, Tape, block, clause};

/// Draws a file, clause by clause.
pub(super) struct Writer<'t> {
    tape: &'t mut Tape,
    age: Age,
    /// `PollSecs` may stand in the file; then the internal cache is not disabled.
    may_poll: bool,
}

impl<'t> Writer<'t> {
    pub(super) fn new(tape: &'t mut Tape, age: Age) -> Self {
        Self {
            tape,
            age,
            may_poll: true,
        }
    }

    fn is_old(&mut self) -> bool {
        self.age == Age::Any && self.tape.one_in(2)
    }

    fn boolean(&mut self) -> &'static str {
        self.tape.pick(&["on", "off", "Yes", "nO"])
    }

    fn number(&mut self) -> usize {
        let n = self.tape.below(1000);
        if self.tape.one_in(8) { 0 } else { n }
    }

    /// A path that no file of another `kind` has.
    fn path(&mut self, kind: &str) -> String {
        let name = self
            .tape
            .pick(&["x", "a#b", "=;,:", "\u{e9}\u{65e5}|", "..", "\\'*%~", "-"]);
        format!("/{}/{name}.{kind}", self.tape.pick(&["run", "", "var/log", "/"]))
    }

    fn facility(&mut self) -> String {
        match self.tape.below(3) {
            0 => self.boolean().to_owned(),
            1 => "daemon".to_owned(),
            _ => format!("local{}", self.tape.below(8)),
        }
    }

    fn log_file(&mut self, kind: &str) -> String {
        if self.tape.one_in(2) {
            self.path(kind)
        } else {
            self.boolean().to_owned()
        }
    }

    fn v4(&mut self) -> String {
        format!(
            "10.{}.{}.{}",
            self.tape.below(4),
            self.tape.below(256),
            self.tape.below(4)
        )
    }

    fn v6(&mut self) -> String {
        let host = self.tape.below(16);
        match self.tape.below(4) {
            0 => format!("fe80::{host:x}"),
            1 => format!("::ffff:192.0.2.{host}"),
            2 => format!("2001:DB8:0:0::{host:x}"),
            _ => "::".to_owned(),
        }
    }

    fn some(&mut self, items: Vec<Item>) -> Vec<Item> {
        let mut items: Vec<Item> = items.into_iter().filter(|_| !self.tape.one_in(3)).collect();
        self.tape.shuffle(&mut items);
        items
    }

    pub(super) fn file(&mut self) -> Vec<Item> {
        let policies: [bool; 3] = std::array::from_fn(|_| self.tape.one_in(2));
        let from = self.tape.pick(&["", " From Userspace", " From Kernelspace"]);
        let mut file = Vec::new();
        let running = self.tape.below(4);
        self.may_poll = running != 3;
        for _ in 0..self.tape.below(3) {
            let mut general = self.general();
            for _ in 0..self.tape.below(3) {
                general.push(block(format!("Filter{from}"), self.filter(policies)));
            }
            self.tape.shuffle(&mut general);
            file.push(block("General", general));
        }
        match running {
            1 => file.push(block("Stats", self.stats())),
            2 | 3 => {
                let mut direct = self.sync(policies[2]);
                if self.tape.one_in(4) {
                    let rest = direct.split_off(direct.len() / 2);
                    file.push(block("Sync", rest));
                }
                file.push(block("Sync", direct));
            }
            _ => {}
        }
        if self.tape.one_in(3) {
            let helpers = self.helpers();
            file.push(block("Helper", helpers));
        }
        self.old_sections(policies, &mut file);
        self.tape.shuffle(&mut file);
        file
    }

    /// Old clauses of the top level; the sets of the filter must ignore, if there are any.
    fn old_sections(&mut self, accepts: [bool; 3], file: &mut Vec<Item>) {
        for _ in 0..self.tape.below(3) {
            if self.is_old() && !accepts[0] {
                let nameless = self.tape.one_in(4);
                let names: &[&str] = if nameless {
                    &["UDP", "47", "250", "icmp", "0"]
                } else {
                    &["UDP", "47", "132", "icmp", "6"]
                };
                let entries = (0..self.tape.below(4))
                    .map(|_| clause(self.tape.pick(names)))
                    .collect();
                file.push(block("IgnoreProtocol", entries));
            }
            if self.is_old() && !accepts[1] {
                let entries = (0..self.tape.below(4)).map(|_| self.host()).collect();
                file.push(block("IgnoreTrafficFor", entries));
            }
            if self.is_old() {
                file.push(clause("StripNAT"));
            }
        }
    }

    fn host(&mut self) -> Item {
        if self.tape.one_in(3) {
            clause(format!("IPv6_address {}", self.v6()))
        } else {
            clause(format!("IPv4_address {}", self.v4()))
        }
    }

    fn general(&mut self) -> Vec<Item> {
        let mut items = vec![
            clause(format!("Systemd {}", self.boolean())),
            clause(format!("HashSize {}", self.number())),
            clause(format!("HashLimit {}", self.number())),
            clause(format!("LogFile {}", self.log_file("log"))),
            clause(format!("Syslog {}", self.facility())),
            clause(format!("LockFile {}", self.path("lock"))),
            clause(format!("NetlinkBufferSize {}", self.number())),
            clause(format!("NetlinkBufferSizeMaxGrowth {}", self.number())),
            clause(format!("NetlinkOverrunResync {}", self.number())),
            clause(format!("NetlinkOverrunResync {}", self.boolean())),
            clause(format!("NetlinkEventsReliable {}", self.boolean())),
            clause(format!("EventIterationLimit {}", self.number())),
        ];
        if self.may_poll {
            items.push(clause(format!("PollSecs {}", self.number() + 1)));
        }
        let mut unix = vec![clause(format!("Path {}", self.path("ctl")))];
        if self.is_old() {
            unix.push(clause(format!("Backlog {}", self.number())));
            items.push(clause(format!("Nice {}", self.tape.pick(&["-20", "+1", "0"]))));
            items.push(clause("Family IPv4"));
            items.push(clause(format!("SocketBufferSize {}", self.number())));
            items.push(clause(format!("SocketBufferSizeMaxGrown {}", self.number())));
            items.push(clause(format!("SocketBufferSizeMaxGrowth {}", self.number())));
        }
        items.push(block("UNIX", self.some(unix)));
        let scheduler = vec![
            clause(format!("Type {}", self.tape.pick(&["RR", "fifo", "Rr"]))),
            clause(format!("Priority {}", self.tape.below(99) + 1)),
        ];
        items.push(block("Scheduler", self.some(scheduler)));
        self.some(items)
    }

    fn filter(&mut self, accepts: [bool; 3]) -> Vec<Item> {
        let policy = |accepts| if accepts { "Accept" } else { "Ignore" };
        let names = ["TCP", "udp", "SCTP", "icmpv6", "gre", "ipip"];
        let protocols = (0..self.tape.below(4))
            .map(|_| clause(self.tape.pick(&names)))
            .collect();
        let addresses = (0..self.tape.below(4)).map(|_| self.network()).collect();
        let states = (0..self.tape.below(3)).map(|_| clause(self.states())).collect();
        let sets = vec![
            block(format!("Protocol {}", policy(accepts[0])), protocols),
            block(format!("Address {}", policy(accepts[1])), addresses),
            block(format!("State {}", policy(accepts[2])), states),
        ];
        self.some(sets)
    }

    fn network(&mut self) -> Item {
        let mut host = self.host();
        if self.tape.one_in(2) {
            let max = if host.words.starts_with("IPv4") { 33 } else { 129 };
            host.words += &format!("/{}", self.tape.below(max));
        }
        host
    }

    fn states(&mut self) -> String {
        let names = [
            "SYN_SENT",
            "ESTABLISHED",
            "CLOSE",
            "CLOSED",
            "LISTEN",
            "TIME_WAIT",
        ];
        let states: String = (0..self.tape.below(3))
            .map(|_| self.tape.pick(&names).to_owned() + " ")
            .collect();
        states + "for TCP"
    }

    fn stats(&mut self) -> Vec<Item> {
        let mut items = vec![
            clause(format!("LogFile {}", self.log_file("stats"))),
            clause(format!("Syslog {}", self.facility())),
        ];
        if self.is_old() {
            items.push(clause("LogFileBufferSize 4096"));
            items.push(clause(format!("NetlinkEventsReliable {}", self.boolean())));
            items.push(clause(format!("PollSecs {}", self.number() + 1)));
        }
        self.some(items)
    }

    fn sync(&mut self, accepts_states: bool) -> Vec<Item> {
        let mut items = vec![
            clause(format!("RefreshTime {}", self.number())),
            clause(format!("CacheTimeout {}", self.number())),
            clause(format!("CommitTimeout {}", self.number())),
            clause(format!("PurgeTimeout {}", self.number())),
            block("Options", self.options()),
        ];
        if self.is_old() {
            items.push(clause(format!("Checksum {}", self.boolean())));
            items.push(clause(format!("Checksum {}", self.boolean())));
            items.push(clause(format!("CacheWriteThrough {}", self.boolean())));
            items.push(clause("DestroyTimeout 240"));
            items.push(clause(format!("ListenTo {}", self.v4())));
            items.push(clause(format!("ListenTo {}", self.v6())));
            items.push(clause("RelaxTransitions"));
            items.push(clause("DelayDestroyMessages"));
            if accepts_states {
                items.push(clause(format!("Replicate {}", self.states())));
                items.push(clause(format!("Replicate {}", self.states())));
            }
        }
        let mut items = self.some(items);
        if !self.tape.one_in(4) {
            items.push(self.mode());
        }
        items.extend(self.links());
        self.tape.shuffle(&mut items);
        items
    }

    fn mode(&mut self) -> Item {
        let old = self.is_old();
        let mut items = vec![
            clause(format!("CommitTimeout {}", self.number())),
            clause(format!("PurgeTimeout {}", self.number())),
        ];
        let names = match self.tape.below(3) {
            0 => {
                items.push(clause(format!("ResendQueueSize {}", self.number())));
                items.push(clause(format!("ACKWindowSize {}", self.number())));
                items.push(clause(format!("DisableExternalCache {}", self.boolean())));
                items.push(clause(format!("StartupResync {}", self.boolean())));
                if old {
                    items.push(clause("ResendBufferSize 262144"));
                }
                ["FTFW", "ftfw", "NACK", "nack"]
            }
            1 => {
                items.push(clause(format!("RefreshTime {}", self.number())));
                items.push(clause(format!("CacheTimeout {}", self.number())));
                if old {
                    items.push(clause("RelaxTransitions"));
                    items.push(clause("DelayDestroyMessages"));
                }
                ["ALARM", "Alarm", "PERSISTENT", "persistent"]
            }
            _ => {
                if !self.may_poll {
                    items.push(clause(format!("DisableInternalCache {}", self.boolean())));
                }
                items.push(clause(format!("DisableExternalCache {}", self.boolean())));
                items.push(clause(format!("StartupResync {}", self.boolean())));
                ["NOTRACK", "notrack", "NOTRACK", "NoTrack"]
            }
        };
        let name = self.tape.pick(if old { &names } else { &names[..2] });
        block(format!("Mode {name}"), self.some(items))
    }

    fn options(&mut self) -> Vec<Item> {
        let mut items = vec![clause(format!("TCPWindowTracking {}", self.boolean()))];
        match self.tape.below(3) {
            0 => items.push(clause("ExpectationSync off")),
            1 => items.push(clause("ExpectationSync on")),
            _ => {
                let names = ["ftp", "FTP", "q.931", "sip-5070", "on", "Options"];
                let list = (0..self.tape.below(4))
                    .map(|_| clause(self.tape.pick(&names)))
                    .collect();
                items.push(block("ExpectationSync", list));
            }
        }
        items
    }

    fn links(&mut self) -> Vec<Item> {
        let kind = self.tape.pick(&["Multicast", "UDP", "TCP"]);
        let n = self.tape.below(4) + 1;
        let default = self.tape.below(8);
        (0..n)
            .map(|i| {
                let head = if i == default {
                    format!("{kind} Default")
                } else {
                    kind.to_owned()
                };
                let mut items = if kind == "Multicast" {
                    self.multicast(i)
                } else {
                    self.unicast(i)
                };
                let mut more = vec![
                    clause(format!("SndSocketBuffer {}", self.number())),
                    clause(format!("RcvSocketBuffer {}", self.number())),
                    clause(format!("Checksum {}", self.boolean())),
                ];
                if self.is_old() {
                    more.push(clause(format!("McastSndSocketBuffer {}", self.number())));
                    more.push(clause(format!("McastRcvSocketBuffer {}", self.number())));
                }
                if kind == "TCP" {
                    more.push(clause(format!("ErrorQueueLength {}", self.number())));
                }
                items.extend(self.some(more));
                self.tape.shuffle(&mut items);
                block(head, items)
            })
            .collect()
    }

    /// Any word can be the name of an interface, also the name of a clause.
    fn interface(&mut self) -> Item {
        let names = ["eth2", "Port", "ae0", "on", "UDP", "=,;", "1|2", "Default"];
        clause(format!("Interface {}", self.tape.pick(&names)))
    }

    fn multicast(&mut self, index: usize) -> Vec<Item> {
        let mut items = vec![clause(format!("Group {}", 3780 + index))];
        let old = self.is_old();
        if old {
            items.push(clause("Backlog 20"));
        }
        if self.tape.one_in(3) {
            items.push(clause(format!("IPv6_address ff02::{index}")));
            items.push(self.interface());
            if old {
                items.push(clause("IPv6_interface fe80::1"));
            }
            return items;
        }
        items.push(clause(format!("IPv4_address 225.0.0.5{index}")));
        let local = self.tape.one_in(2);
        if local {
            items.push(clause(format!("IPv4_interface {}", self.v4())));
        }
        if !(local && old) {
            items.push(self.interface());
        }
        items
    }

    fn unicast(&mut self, index: usize) -> Vec<Item> {
        let mut items = vec![clause(format!("Port {}", 3780 + index)), self.interface()];
        let has_local = !self.tape.one_in(3);
        if self.tape.one_in(2) {
            let peer = self.tape.below(16);
            items.push(clause(format!("IPv6_Destination_Address 2001:db8:1::{peer:x}")));
            if has_local {
                items.push(clause(format!("IPv6_address {}", self.v6())));
            }
        } else {
            let peer = self.tape.below(256);
            items.push(clause(format!("IPv4_Destination_Address 192.0.2.{peer}")));
            if has_local {
                items.push(clause(format!("IPv4_address {}", self.v4())));
            }
        }
        items
    }

    fn helpers(&mut self) -> Vec<Item> {
        let known = [
            ("ftp", "inet tcp"),
            ("ftp", "inet6 tcp"),
            ("amanda", "inet udp"),
            ("ssdp", "inet udp"),
            ("ssdp", "inet tcp"),
        ];
        let mut items = vec![clause(format!("Setup {}", self.boolean()))];
        for (i, (name, protocols)) in known.into_iter().enumerate() {
            let mut policy = vec![clause(format!("ExpectMax {}", self.tape.below(256)))];
            policy.push(clause(format!("ExpectTimeout {}", self.number())));
            policy.truncate(self.tape.below(2) + 1);
            let more = vec![
                clause(format!("QueueLen {}", self.number())),
                block(format!("Policy {name}"), policy),
            ];
            let mut body = self.some(more);
            body.push(clause(format!("QueueNum {i}")));
            items.push(block(format!("Type {name} {protocols}"), body));
        }
        self.some(items)
    }
}
