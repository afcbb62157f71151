//! Numbers of the kernel: `-C`, `-S`.
//!
//! Without the right to ask over netlink, and on a kernel that does not know the question, they are
//! read from `/proc`.

use std::fs;

use io::ctnetlink::decode::decode_cpu_counters;
use io::ctnetlink::encode::List;
use io::ctnetlink::{DumpAhead, KernelFilter, Message};

use super::failure::{Failure, Task};
use super::list::next_part;
use super::sink::Sink;
use crate::command::Output;
use crate::render::{Printer, Table};

/// Names of the counters of flows, from number 1 on (`enum ctattr_stats_cpu`).
const OF_FLOWS: [&str; 15] = [
    "searched",
    "found",
    "new",
    "invalid",
    "ignore",
    "delete",
    "delete_list",
    "insert",
    "insert_failed",
    "drop",
    "early_drop",
    "error",
    "search_restart",
    "clash_resolve",
    "chaintoolong",
];

/// Names of the counters of expectations, from number 1 on (`enum ctattr_expect_stats`).
const OF_EXPECTATIONS: [&str; 3] = ["expect_new", "expect_create", "expect_delete"];

const N_FLOWS_FILE: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
const COUNTERS_FILE: &str = "/proc/net/stat/nf_conntrack";

/// Returns how many flows there are in this network namespace.
pub(super) fn n_flows() -> Result<u64, Failure> {
    let told = super::requests(Task::Count).and_then(|mut socket| {
        let stats = socket.table_stats();
        stats.map_err(|error| Failure::netlink(Task::Count, error))
    });
    match told {
        Ok(stats) => Ok(stats.entries.into()),
        Err(failure) => {
            let text = fs::read_to_string(N_FLOWS_FILE).map_err(|_none_either| failure)?;
            text.trim().parse().map_err(|_| Failure::Proc(N_FLOWS_FILE))
        }
    }
}

/// Prints the counters of flows, a line a CPU.
pub(super) fn of_flows(output: &Output, sink: &mut Sink) -> Result<(), Failure> {
    let printer = Printer::new(output, Table::Flows, None);
    of(List::FlowCounters, &OF_FLOWS, &printer, sink)
}

/// Prints the counters of expectations, a line a CPU.
pub(super) fn of_expectations(output: &Output, sink: &mut Sink) -> Result<(), Failure> {
    let printer = Printer::new(output, Table::Expectations, None);
    of(List::ExpectationCounters, &OF_EXPECTATIONS, &printer, sink)
}

fn of(list: List, names: &[&str], printer: &Printer<'_>, sink: &mut Sink) -> Result<(), Failure> {
    match cpus(list) {
        Ok(cpus) => {
            for (cpu, counters) in cpus {
                let named: Vec<(String, u64)> = counters
                    .into_iter()
                    .map(|(number, count)| (name(names, number), count.into()))
                    .collect();
                print(printer, sink, cpu, &named);
            }
        }
        Err(failure) => {
            let text = fs::read_to_string(COUNTERS_FILE).map_err(|_none_either| failure)?;
            for (cpu, named) in (0..).zip(parse(&text).ok_or(Failure::Proc(COUNTERS_FILE))?) {
                print(printer, sink, cpu, &named);
            }
        }
    }
    sink.flush()
}

fn print(printer: &Printer<'_>, sink: &mut Sink, cpu: u16, counters: &[(String, u64)]) {
    let counters: Vec<(&str, u64)> = counters.iter().map(|(name, n)| (name.as_str(), *n)).collect();
    printer.counters(sink.buffer(), cpu, &counters);
}

/// Number of a CPU, and its counters by their numbers.
type Cpu = (u16, Vec<(u16, u32)>);

fn cpus(list: List) -> Result<Vec<Cpu>, Failure> {
    let task = Task::Count;
    let dump = DumpAhead::start(list, &KernelFilter::default());
    let mut dump = dump.map_err(|error| Failure::netlink(task, error))?;
    let mut cpus = Vec::new();
    loop {
        let is_last = next_part(&mut dump, task, |message| {
            if let Message::Other { body, .. } = message {
                let of_cpu = decode_cpu_counters(&body)?;
                cpus.push((of_cpu.cpu, of_cpu.counters));
            }
            Ok(())
        })?;
        if is_last {
            return Ok(cpus);
        }
    }
}

/// Returns the name of a counter; newer ones than those that have names are unknown1, unknown2…
fn name(names: &[&str], number: u16) -> String {
    let known = usize::from(number)
        .checked_sub(1)
        .and_then(|place| names.get(place));
    match known {
        Some(name) => (*name).to_owned(),
        None => format!("unknown{}", usize::from(number).saturating_sub(names.len())),
    }
}

/// Reads the file: a line of names, then a line of hexadecimal numbers a CPU.
fn parse(text: &str) -> Option<Vec<Vec<(String, u64)>>> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next()?.split_whitespace().collect();
    lines
        .map(|line| {
            let counts = line.split_whitespace().zip(&names);
            counts
                .map(|(count, name)| Some(((*name).to_owned(), u64::from_str_radix(count, 16).ok()?)))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_of_a_newer_kernel_have_a_name_too() {
        assert_eq!(name(&OF_FLOWS, 1), "searched");
        assert_eq!(name(&OF_FLOWS, 15), "chaintoolong");
        assert_eq!(name(&OF_FLOWS, 16), "unknown1");
        assert_eq!(name(&OF_EXPECTATIONS, 5), "unknown2");
    }

    #[test]
    fn the_file_has_names_above_hexadecimal_numbers() {
        let cpus = parse("entries  clashres found\n00000010 00000000 0000000a\n00000010 00000001 ffffffff\n");
        let named = |counts: [u64; 3]| {
            ["entries", "clashres", "found"]
                .map(str::to_owned)
                .into_iter()
                .zip(counts)
                .collect()
        };
        assert_eq!(cpus, Some(vec![named([16, 0, 10]), named([16, 1, 0xffff_ffff])]));
        assert_eq!(parse("entries\nno number\n"), None);
    }
}
