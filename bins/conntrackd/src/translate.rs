//! What the file says, in the words of the engine and the shell: the one place that knows both.
//!
//! Nothing is decided here but defaults that depend on both sides. A clause that this version cannot
//! carry out is an error with its place: a firewall that silently does less than its configuration
//! says is worse than one that does not start.

pub(crate) mod filter;
mod links;
mod refusals;

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use conf_grammar::{
    Config, Diagnostic, Facility, FilterPlace, General, Location, Mode, Running, SchedulerClass, Span,
    Spanned, SyncConfig,
};
use engine::config::{
    AlarmConfig, ExpectationSync, FtfwConfig, Limits, NotrackConfig, OwnFlows, PeerFlows, StartupResync,
    TcpWindowTracking,
};
use engine::filter::Filter;
use engine::input::Table;
use io::ctnetlink::{Delivery, EventFilter};
use io::event_loop::KernelOptions;
use io::link::LinkSpec;
use io::process::log;
use io::process::scheduler::Policy;
use refusals::Refusals;

/// Size of the event socket's buffer unless `NetlinkBufferSize` says otherwise: room for a burst of
/// about 1,600 events, where the system's default has room for 160.
const EVENT_BUFFER_LEN: u32 = 2 << 20;
/// What it may grow to unless `NetlinkBufferSize` or `NetlinkBufferSizeMaxGrowth` is given.
const EVENT_BUFFER_LEN_MAX: u32 = 8 << 20;
/// How often the internal cache is compared with the kernel's table. A flow that ended without an
/// event stays no longer than that; a dump of a million flows costs about a second of CPU.
const RECONCILE_PERIOD: Duration = Duration::from_secs(300);

const TWO: NonZeroU32 = NonZeroU32::new(2).unwrap();

/// A value and the place in the file it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed<T> {
    /// The value.
    pub(crate) value: T,
    /// Its place, if the file says anything of it.
    pub(crate) location: Option<Location>,
}

/// All that the daemon is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// What the engine is told, but for the links: their datagrams are known once they are open.
    pub(crate) engine: engine::config::Config,
    /// The links, in the order of the configuration.
    pub(crate) links: Vec<Placed<LinkSpec>>,
    /// How the kernel is listened to.
    pub(crate) kernel: Placed<KernelOptions>,
    /// Where events are filtered.
    pub(crate) filter_place: Placed<FilterPlace>,
    /// Events and datagrams in one turn of the loop.
    pub(crate) event_iteration_limit: NonZeroU32,
    /// Where clients find us.
    pub(crate) control_socket: Placed<PathBuf>,
    /// One daemon to this file.
    pub(crate) lock_file: Placed<PathBuf>,
    /// The log file.
    pub(crate) log_file: Placed<Option<PathBuf>>,
    /// The syslog facility.
    pub(crate) syslog: Option<log::Facility>,
    /// How the daemon is scheduled.
    pub(crate) scheduler: Placed<Policy>,
    /// Whether the service manager is told.
    pub(crate) service_manager: ServiceManager,
}

/// Whether the service manager is told (`Systemd`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceManager {
    /// It is, if there is one.
    Told,
    /// It is not.
    Ignored,
}

/// Translates a configuration.
///
/// # Errors
/// All clauses that this version cannot carry out, as errors with their places.
pub(crate) fn translate(config: &Config) -> Result<Settings, Vec<Diagnostic>> {
    let mut unsupported = Refusals::default();
    unsupported.general(config);
    let Running::Sync(sync) = &config.running else {
        unsupported.without_sync(config);
        return Err(unsupported.0);
    };
    let general = &config.general;
    let filter = filter::filter(&general.filter);
    let event_filter = event_filter(&filter, &general.filter.place, &mut unsupported);
    let mode = mode(&sync.mode.value);
    let (links, default_link) = links::links(&sync.links);
    if !unsupported.0.is_empty() {
        return Err(unsupported.0);
    }
    Ok(Settings {
        engine: engine_config(general, sync, filter, mode, default_link),
        links,
        kernel: Placed {
            value: kernel_options(general, event_filter),
            location: general.netlink_buffer_size.location(),
        },
        filter_place: placed(&general.filter.place),
        event_iteration_limit: at_least_one(general.event_iteration_limit.value),
        control_socket: placed(&general.unix_path),
        lock_file: placed(&general.lock_file),
        log_file: placed(&general.log_file),
        syslog: general.syslog.value.map(facility),
        scheduler: scheduler(general),
        service_manager: if general.systemd.value {
            ServiceManager::Told
        } else {
            ServiceManager::Ignored
        },
    })
}

/// Returns the program that filters in the kernel; one that keeps everything unless it is wanted.
fn event_filter(filter: &Filter, place: &Spanned<FilterPlace>, refusals: &mut Refusals) -> EventFilter {
    match place.value {
        FilterPlace::Userspace => EventFilter::default(),
        FilterPlace::Kernelspace => EventFilter::keeping(filter).unwrap_or_else(|error| {
            refusals.filter_too_long(place.span.unwrap_or(Span::START), &error);
            EventFilter::default()
        }),
    }
}

/// Returns the mode; what of it cannot be carried out is refused.
fn mode(mode: &Mode) -> engine::config::Mode {
    match mode {
        Mode::Ftfw {
            resend_queue_size,
            ack_window_size,
            startup_resync,
            ..
        } => {
            let ack_window = saturating_u16(ack_window_size.value);
            // The peer acknowledges whole windows: a queue that cannot hold them would let a bulk
            // through only as fast as the alive timer forces acknowledgements, once a second.
            let two_windows = NonZeroU32::from(ack_window).saturating_mul(TWO);
            engine::config::Mode::Ftfw(FtfwConfig {
                ack_window,
                resend_queue_len_max: at_least_one(resend_queue_size.value).max(two_windows),
                startup_resync: resync(startup_resync),
            })
        }
        Mode::Notrack { startup_resync, .. } => engine::config::Mode::Notrack(NotrackConfig {
            startup_resync: resync(startup_resync),
        }),
        Mode::Alarm {
            refresh_secs,
            cache_timeout_secs,
        } => engine::config::Mode::Alarm(AlarmConfig {
            refresh_secs: at_least_one(refresh_secs.value),
            cache_timeout_secs: at_least_one(cache_timeout_secs.value),
        }),
    }
}

fn own_flows(mode: &Mode) -> OwnFlows {
    match mode {
        Mode::Notrack { internal_cache, .. } if !internal_cache.value => OwnFlows::Bypassed,
        Mode::Ftfw { .. } | Mode::Notrack { .. } | Mode::Alarm { .. } => OwnFlows::Cached,
    }
}

fn peer_flows(mode: &Mode) -> PeerFlows {
    match mode {
        Mode::Ftfw { external_cache, .. } | Mode::Notrack { external_cache, .. } if !external_cache.value => {
            PeerFlows::Injected
        }
        Mode::Ftfw { .. } | Mode::Notrack { .. } | Mode::Alarm { .. } => PeerFlows::Cached,
    }
}

fn engine_config(
    general: &General,
    sync: &SyncConfig,
    filter: Filter,
    mode: engine::config::Mode,
    default_link: u8,
) -> engine::config::Config {
    let secs = |secs: u32| Duration::from_secs(secs.into());
    engine::config::Config {
        mode,
        own_flows: own_flows(&sync.mode.value),
        peer_flows: peer_flows(&sync.mode.value),
        filter,
        expectations: expectations(&sync.expectations.value),
        cache_len_max: at_least_one(general.hash_limit.value),
        cache_len_expected: general.hash_size.value,
        commit_timeout_secs: sync.commit_timeout_secs.value.and_then(NonZeroU32::new),
        purge_timeout: secs(sync.purge_timeout_secs.value),
        tcp_window_tracking: if sync.tcp_window_tracking.value {
            TcpWindowTracking::On
        } else {
            TcpWindowTracking::Off
        },
        overrun_resync: general.overrun_resync_secs.value.map(secs),
        poll_period: general.poll_secs.value.map(secs),
        reconcile_period: Some(RECONCILE_PERIOD),
        links: Vec::new(),
        default_link,
        limits: Limits::default(),
    }
}

fn expectations(expectations: &conf_grammar::ExpectationSync) -> ExpectationSync {
    match expectations {
        conf_grammar::ExpectationSync::Off => ExpectationSync::Off,
        conf_grammar::ExpectationSync::All => ExpectationSync::All,
        conf_grammar::ExpectationSync::Helpers(names) => {
            let names = names.iter().map(|name| name.value.as_str().into());
            ExpectationSync::Helpers(names.collect())
        }
    }
}

/// The buffer grows only where the file leaves the choice to us, or says how far.
fn kernel_options(general: &General, event_filter: EventFilter) -> KernelOptions {
    let given = general.netlink_buffer_size.value;
    let len = given.unwrap_or(EVENT_BUFFER_LEN);
    let max = match (general.netlink_buffer_size_max.value, given) {
        (None, None) => EVENT_BUFFER_LEN_MAX,
        (max, _) => max.unwrap_or(0).max(len),
    };
    let bytes = |len| usize::try_from(len).unwrap_or(usize::MAX);
    KernelOptions {
        buffer_len: Some(bytes(len)),
        buffer_len_max: bytes(max),
        // An expectation that is not replicated still says that its master is being rewritten.
        tables: general.poll_secs.value.is_none().then_some(Table::Both),
        delivery: if general.reliable_events.value {
            Delivery::Reliable
        } else {
            Delivery::BestEffort
        },
        event_filter,
    }
}

/// Real-time scheduling is for those who ask for it.
fn scheduler(general: &General) -> Placed<Policy> {
    let location = general.scheduler.location();
    let value = match general.scheduler.value {
        None => Policy::Favoured,
        Some(scheduler) => {
            let priority = scheduler.priority.value;
            match scheduler.class.value {
                SchedulerClass::RoundRobin => Policy::RoundRobin { priority },
                SchedulerClass::Fifo => Policy::Fifo { priority },
            }
        }
    };
    Placed { value, location }
}

/// Returns the facility in the words of the log.
pub(crate) fn facility(facility: Facility) -> log::Facility {
    match facility {
        Facility::Daemon => log::Facility::DAEMON,
        Facility::Local(number) => log::Facility::local(number),
    }
}

fn resync(startup_resync: &Spanned<bool>) -> StartupResync {
    if startup_resync.value {
        StartupResync::On
    } else {
        StartupResync::Off
    }
}

fn placed<T: Clone>(spanned: &Spanned<T>) -> Placed<T> {
    Placed {
        value: spanned.value.clone(),
        location: spanned.location(),
    }
}

/// The grammar's ranges begin at 1 where 0 has no meaning of its own.
fn at_least_one(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN)
}

fn saturating_u16(number: u32) -> NonZeroU16 {
    u16::try_from(number).ok().map_or(NonZeroU16::MAX, |number| {
        NonZeroU16::new(number).unwrap_or(NonZeroU16::MIN)
    })
}

#[cfg(test)]
mod effect_tests;
#[cfg(test)]
mod tests;
