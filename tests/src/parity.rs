//! What two nodes must agree on: fw1 tells, fw2 is told.

use anyhow::{Result, ensure};

use crate::cluster::Cluster;
use crate::kernel;
use crate::programs::Daemon::{self, Ours, Stock};

/// How many differing flows a message shows.
const SHOWN: usize = 10;
/// Flows that are made only by a session with a helper and by [`kernel::update_some`].
const RARE: [&str; 4] = ["master: Some", "seq_adj: Some", "labels: Some", "helper: Some"];

impl Cluster {
    /// Checks that fw2's external cache is fw1's kernel table, as far as `sender` is known to tell it.
    ///
    /// # Errors
    /// When they differ, or there is nothing to compare.
    pub fn ensure_replica(&self, sender: Daemon) -> Result<()> {
        let wanted = self.fw1.kernel()?.as_told_by(sender).as_cached();
        ensure!(wanted.n_flows() > 0, "there are no flows to compare");
        self.fw2.external()?.as_told_by(sender).ensure_equals(&wanted)
    }

    /// Checks that fw1's kernel has flows with masters, sequence adjustments, labels and helpers.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn ensure_rare_flows(&self) -> Result<()> {
        let flows = kernel::committable(&self.fw1.ns)?;
        for rare in RARE {
            ensure!(
                flows.values().any(|flow| flow.contains(rare)),
                "no flow with {rare} to compare"
            );
        }
        Ok(())
    }

    /// Checks that fw2's kernel has what fw1's has, after `committer` on fw2 put in what `sender` on fw1 told.
    ///
    /// Shows what no dump of a cache does. Lifetimes may differ by `slack_secs`; `None` is for any. To be asked again
    /// and again: a table is read incompletely when somebody resizes the kernel's hash meanwhile.
    ///
    /// # Errors
    /// When they differ.
    pub fn ensure_kernels_equal(
        &self,
        sender: Daemon,
        committer: Daemon,
        slack_secs: Option<u32>,
    ) -> Result<()> {
        let Self { fw1, fw2, .. } = self;
        let (wanted, is) = (fw1.kernel()?.as_told_by(sender), fw2.kernel()?.as_told_by(sender));
        is.clone()
            .without_timeouts()
            .ensure_equals(&wanted.clone().without_timeouts())?;
        if let Some(slack_secs) = slack_secs {
            is.ensure_timeouts_near(&wanted, slack_secs)?;
        }
        let (wanted, is) = (fw1.saved(sender, committer)?, fw2.saved(sender, committer)?);
        let differing: Vec<_> = wanted.symmetric_difference(&is).take(SHOWN).collect();
        ensure!(
            differing.is_empty(),
            "one kernel has these, the other has not: {differing:#?}"
        );
        match (sender, committer) {
            (Ours, Ours) => {
                kernel::ensure_equal(&kernel::committable(&fw2.ns)?, &kernel::committable(&fw1.ns)?)
            }
            (Stock, _) | (_, Stock) => Ok(()),
        }
    }
}
