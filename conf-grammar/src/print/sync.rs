//! Section `Sync`, without its links.

use super::{Printer, links};
use crate::model::{ExpectationSync, Mode, SyncConfig};
use crate::schema::BlockKind;
use crate::span::Spanned;

pub(super) fn sync(sync: &SyncConfig, out: &mut Printer) {
    let SyncConfig {
        mode,
        commit_timeout_secs,
        purge_timeout_secs,
        links,
        tcp_window_tracking,
        expectations,
    } = sync;
    out.open("Sync", BlockKind::Sync);
    let kind = match &mode.value {
        Mode::Ftfw { .. } => BlockKind::Ftfw,
        Mode::Alarm { .. } => BlockKind::Alarm,
        Mode::Notrack { .. } => BlockKind::Notrack,
    };
    out.open(&format!("Mode {}", mode.value.name()), kind);
    self::mode(&mode.value, out);
    out.setting("CommitTimeout", commit_timeout_secs);
    out.setting("PurgeTimeout", purge_timeout_secs);
    out.close();
    links::links(links, out);
    out.open("Options", BlockKind::Options);
    out.setting("TCPWindowTracking", tcp_window_tracking);
    self::expectations(&expectations.value, out);
    out.close();
    out.close();
}

fn mode(mode: &Mode, out: &mut Printer) {
    match mode {
        Mode::Ftfw {
            resend_queue_size,
            ack_window_size,
            external_cache,
            startup_resync,
        } => {
            out.setting("ResendQueueSize", resend_queue_size);
            out.setting("ACKWindowSize", ack_window_size);
            out.setting("DisableExternalCache", &disabled(external_cache));
            out.setting("StartupResync", startup_resync);
        }
        Mode::Alarm {
            refresh_secs,
            cache_timeout_secs,
        } => {
            out.setting("RefreshTime", refresh_secs);
            out.setting("CacheTimeout", cache_timeout_secs);
        }
        Mode::Notrack {
            internal_cache,
            external_cache,
            startup_resync,
        } => {
            out.setting("DisableInternalCache", &disabled(internal_cache));
            out.setting("DisableExternalCache", &disabled(external_cache));
            out.setting("StartupResync", startup_resync);
        }
    }
}

/// The file says that a cache is disabled, the model that there is one.
fn disabled(cache: &Spanned<bool>) -> Spanned<bool> {
    cache.map(|is_there| !is_there)
}

fn expectations(expectations: &ExpectationSync, out: &mut Printer) {
    const NAME: &str = "ExpectationSync";
    match expectations {
        ExpectationSync::Off => out.setting(NAME, &Spanned::default_of(false)),
        ExpectationSync::All => out.clause(NAME, &true),
        ExpectationSync::Helpers(names) => {
            out.open(NAME, BlockKind::ExpectationNames);
            for name in names {
                out.line(&name.value);
            }
            out.close();
        }
    }
}
