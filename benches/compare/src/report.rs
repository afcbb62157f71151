//! The tables: medians of the rounds, ratios, budgets.

use std::fmt;

use crate::daemon::Kind;
use crate::host;
use crate::load::Load;
use crate::reader::Floor;
use crate::scenario::Measured;

/// A row of a table: its name, what it takes from a measurement, digits behind the point.
type Row = (&'static str, fn(&Measured) -> f64, usize);

/// What is promised, and the largest ratio ours : stock that holds.
const BUDGETS: [(Row, f64); 5] = [
    (("CPU of the primary, s", |m| m.primary_cpu_secs, 3), 0.6),
    (("CPU of the backup, s", |m| m.backup_cpu_secs, 3), 0.6),
    (("bytes a flow on the primary", |m| m.primary_bytes, 0), 0.4),
    (("bytes a flow on the backup", |m| m.backup_bytes, 0), 0.4),
    (("commit of all flows, s", |m| m.commit_secs, 3), 0.4),
];

/// What must be seen beside it.
const FACTS: [Row; 10] = [
    ("load took, s", |m| m.load_secs, 2),
    ("converged after the load, s", |m| m.converge_secs, 2),
    ("flows lost", |m| m.lost, 0),
    ("overruns of the primary", |m| m.primary_overruns, 0),
    ("flows in the kernel after the commit", |m| m.committed, 0),
    ("of them missing in the internal cache", |m| m.unknown, 0),
    ("overruns of the backup", |m| m.backup_overruns, 0),
    ("CPU of the backup in the commit, s", |m| m.commit_cpu_secs, 3),
    ("and with what follows it, s", |m| m.takeover_cpu_secs, 3),
    ("strangers that listened meanwhile", |m| m.others, 0),
];

/// The measurements of a run.
#[derive(Debug)]
pub(crate) struct Report {
    head: String,
    foot: String,
    kinds: [String; 2],
    measured: [Vec<Measured>; 2],
}

impl Report {
    /// An empty report that tells the load, the host and what both kinds are measured against.
    pub(crate) fn new(
        kinds: &[Kind; 2],
        load: Load,
        rounds: u32,
        generator_max: f64,
        floors: [Floor; 2],
    ) -> Self {
        let head = format!(
            "{} TCP flows added at {}/s, FT-FW over UDP, median of {rounds} rounds.\n{}.",
            load.flows,
            load.rate,
            host::description(),
        );
        let foot = format!(
            "Load generator flat out, nobody listening: {generator_max:.0} flows/s. \
             Reading the events alone: {} as they come, {} when gathered for a millisecond.",
            floors[0], floors[1],
        );
        let kinds = kinds
            .each_ref()
            .map(|kind| format!("{}: {}", kind.name, kind.version));
        Self {
            head,
            foot,
            kinds,
            measured: [Vec::new(), Vec::new()],
        }
    }

    /// Takes a measurement of our kind (0) or of the stock one (1).
    pub(crate) fn add(&mut self, kind: usize, measured: Measured) {
        self.measured[kind].push(measured);
    }

    /// The medians of a row, ours first.
    fn medians(&self, value: fn(&Measured) -> f64) -> [f64; 2] {
        self.measured
            .each_ref()
            .map(|measured| median(measured.iter().map(value).collect()))
    }

    /// The cells of a row without a budget.
    fn fact(&self, (name, value, digits): Row) -> Vec<String> {
        let [ours, stock] = self.medians(value);
        vec![
            name.to_owned(),
            format!("{ours:.digits$}"),
            format!("{stock:.digits$}"),
        ]
    }

    /// The cells of a row with a budget.
    fn verdict(&self, (row, budget): (Row, f64)) -> Vec<String> {
        let [ours, stock] = self.medians(row.1);
        let ratio = ours / stock;
        let verdict = if ratio <= budget { "held" } else { "missed" };
        let mut cells = self.fact(row);
        cells.extend([format!("{ratio:.2}"), format!("{budget:.1}"), verdict.to_owned()]);
        cells
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n\n- {}\n", self.head, self.kinds.join("\n- "))?;
        let rows = BUDGETS.map(|row| self.verdict(row));
        write_table(f, &["", "ours", "stock", "ours : stock", "budget", ""], &rows)?;
        writeln!(f)?;
        write_table(f, &["", "ours", "stock"], &FACTS.map(|row| self.fact(row)))?;
        write!(f, "\n{}", self.foot)
    }
}

/// Writes a Markdown table whose columns are aligned for readers of the plain text.
pub(crate) fn write_table(f: &mut fmt::Formatter<'_>, head: &[&str], rows: &[Vec<String>]) -> fmt::Result {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(column, title)| {
            rows.iter()
                .map(|row| row[column].len())
                .max()
                .unwrap_or(0)
                .max(title.len())
                .max(4)
        })
        .collect();
    let mut line = |cells: Vec<&str>| {
        for (column, (cell, width)) in cells.into_iter().zip(&widths).enumerate() {
            if column == 0 {
                write!(f, "| {cell:<width$} |")?
            } else {
                write!(f, " {cell:>width$} |")?
            }
        }
        writeln!(f)
    };
    line(head.to_vec())?;
    let rules: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(column, width)| {
            if column == 0 {
                "-".repeat(*width)
            } else {
                format!("{}:", "-".repeat(width - 1))
            }
        })
        .collect();
    line(rules.iter().map(String::as_str).collect())?;
    rows.iter()
        .try_for_each(|row| line(row.iter().map(String::as_str).collect()))
}

/// The middle value, the mean of both if there are two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match (values.len() % 2, values.get(middle)) {
        (_, None) => f64::NAN,
        (0, Some(upper)) => f64::midpoint(values[middle - 1], *upper),
        (_, Some(value)) => *value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
    }
}
