//! Recorded invocations of `conntrack`: what they print, how they exit and what they leave in the table.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use netns_tests::{conntrack, on_real_kernels, our_conntrack};

/// Runs the rows of `cases/cases.tsv`, each in a namespace of its own. The table is made and read by the
/// stock tool.
#[test]
fn every_recorded_case_ends_as_a_corrected_program_should_end_it() -> Result<()> {
    on_real_kernels(|| {
        let output = Command::new("bash")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/cases/run.sh"))
            .env("CONNTRACK", our_conntrack()?)
            .env("CONNTRACK_AUX", conntrack())
            .env("REF", "fix")
            .output()
            .context("run the cases")?;
        let told = String::from_utf8_lossy(&output.stdout);
        let remarks = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{told}{remarks}");
        ensure!(
            told.ends_with("641 passed, 0 failed\n"),
            "not all cases were run: {told}"
        );
        Ok(())
    })
}
