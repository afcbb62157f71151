//! Section `General`.

use super::{Meaning, Printer, Spell, filter};
use crate::model::{General, Scheduler};
use crate::schema::BlockKind;

pub(super) fn general(general: &General, out: &mut Printer) {
    let General {
        systemd,
        hash_size,
        hash_limit,
        log_file,
        syslog,
        lock_file,
        unix_path,
        netlink_buffer_size,
        netlink_buffer_size_max,
        overrun_resync_secs,
        reliable_events,
        poll_secs,
        event_iteration_limit,
        scheduler,
        filter,
    } = general;
    out.open("General", BlockKind::General);
    out.setting("Systemd", systemd);
    out.setting("HashSize", hash_size);
    out.setting("HashLimit", hash_limit);
    out.setting("LogFile", log_file);
    out.setting("Syslog", syslog);
    out.setting("LockFile", lock_file);
    // Never a comment: a file that does not name its socket is warned of.
    out.open("UNIX", BlockKind::Unix);
    out.clause("Path", &unix_path.value);
    out.close();
    out.setting("NetlinkBufferSize", netlink_buffer_size);
    match netlink_buffer_size_max.value {
        Some(_) => out.setting("NetlinkBufferSizeMaxGrowth", netlink_buffer_size_max),
        None => out.without("NetlinkBufferSizeMaxGrowth"),
    }
    out.setting("NetlinkOverrunResync", &overrun_resync_secs.map(SecsOrOff));
    out.setting("NetlinkEventsReliable", reliable_events);
    match poll_secs.value {
        Some(_) => out.setting("PollSecs", poll_secs),
        None => out.without("PollSecs"),
    }
    out.setting("EventIterationLimit", event_iteration_limit);
    match &scheduler.value {
        None => out.without("Scheduler"),
        Some(Scheduler { class, priority }) => {
            out.open("Scheduler", BlockKind::Scheduler);
            out.setting("Type", class);
            out.setting("Priority", priority);
            out.close();
        }
    }
    let rest = filter::filter(filter, out);
    out.close();
    filter::ignore_protocol(rest, out);
}

/// Seconds, or `off`.
struct SecsOrOff(Option<u32>);

impl Spell for SecsOrOff {
    fn spell(&self) -> String {
        self.0.map_or_else(|| false.spell(), |secs| secs.spell())
    }

    fn meaning(&self) -> Meaning {
        match self.0 {
            Some(_) => Meaning::Number,
            None => Meaning::Word,
        }
    }
}
