//! A daemon run: everything is opened in order, each failure is one sentence, and only then it serves.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use conf_grammar::{Diagnostic, Dialect, FilterPlace, Severity};
use engine::Seed;
use engine::config::LinkConfig;
use io::clock;
use io::ctnetlink::{Delivery, EventFilter, Operation};
use io::event_loop::{Kernel, Options, Parts, Shell, StartError};
use io::link::Link;
use io::process::background::WaitingParent;
use io::process::descriptors;
use io::process::lock::Lock;
use io::process::log::{self, Console, Log, LogConfig};
use io::process::scheduler;
use io::process::sysctl::{self, EventsSwitch, turn_events_on};
use io::process::systemd::Systemd;
use io::process::{detach_from_place, random, reason};

use crate::config_file::ConfigFile;
use crate::host;
use crate::operator::Operator;
use crate::translate::{self, ServiceManager, Settings, translate};
use crate::{remark, with_causes};

/// Runs the daemon by the configuration at `path` until it is asked to end: at the terminal, or as
/// the child that `parent` waits for.
///
/// # Errors
/// When it cannot start and its log is not open yet; later failures are in the log.
pub(crate) fn run(path: &Path, dialect: Dialect, parent: Option<WaitingParent>) -> anyhow::Result<ExitCode> {
    let file = ConfigFile::read(path, dialect)?;
    let (settings, warnings) = settings(&file, path)?;
    let log = open_log(&file, &settings, &warnings, parent.as_ref())?;
    let systemd = match settings.service_manager {
        ServiceManager::Told => Systemd::from_env().context("can't find the service manager")?,
        ServiceManager::Ignored => Systemd::absent(),
    };
    let mut operator = Operator { log, systemd };

    let (lock, shell) = match start(&file, settings, &mut operator, parent) {
        Ok(started) => started,
        Err(error) => {
            operator.error(with_causes(&error));
            operator.error("conntrackd cannot start, please review your configuration");
            return Ok(ExitCode::FAILURE);
        }
    };
    let ended = match shell.run() {
        Ok(ended) => ended,
        Err(error) => {
            operator.error(error);
            return Ok(ExitCode::FAILURE);
        }
    };
    operator.notice("---- shutdown received ----");
    let told = operator.systemd.stopping();
    operator.check_told(told);
    // Whoever asked for the end learns of it by the end of the process, and may count on it that
    // nothing is left by then.
    drop(lock);
    drop(ended);
    Ok(ExitCode::SUCCESS)
}

/// Returns the settings in the file, and the warnings about it; they and all errors go to the terminal.
///
/// Everything that can be known before anything is opened is told at once, also what only this machine
/// knows.
fn settings(file: &ConfigFile, path: &Path) -> anyhow::Result<(Settings, Vec<Diagnostic>)> {
    let mut findings = file.findings(Severity::Warning);
    let mut settings = None;
    if let Some(config) = &file.outcome.config {
        match translate(config) {
            Ok(translated) => settings = Some(translated),
            Err(refusals) => findings.extend(refusals),
        }
        let of_host = host::findings(config, path).into_iter();
        findings.extend(of_host.filter(|finding| finding.severity <= Severity::Warning));
    }
    conf_grammar::sort(&mut findings);
    remark(&file.render(&findings)).context("can't write to the terminal")?;
    let has_errors = findings.iter().any(|finding| finding.severity == Severity::Error);
    match settings.filter(|_| !has_errors) {
        Some(settings) => Ok((settings, findings)),
        None => {
            tell_syslog(file, &findings);
            bail!("`{}' has errors, nothing was started", file.outcome.file_name)
        }
    }
}

/// Tells the syslog daemon what the terminal has been told, if the file names a facility: whoever
/// starts us may have no terminal.
fn tell_syslog(file: &ConfigFile, findings: &[Diagnostic]) {
    let Some(facility) = file.outcome.syslog else {
        return;
    };
    let log = Log::open(LogConfig {
        file: None,
        syslog: Some(translate::facility(facility)),
        console: Console::Off,
    });
    // Without a syslog daemon the terminal is all there is.
    let Ok(mut log) = log else { return };
    write(&mut log, file, findings);
}

/// Writes findings to a log, a line each.
fn write(log: &mut Log, file: &ConfigFile, findings: &[Diagnostic]) {
    for finding in findings {
        let severity = match finding.severity {
            Severity::Error => log::Severity::Error,
            Severity::Warning | Severity::Note => log::Severity::Warning,
        };
        log.write(severity, file.log_line(finding), clock::wall());
    }
}

/// Opens the log, which begins with the warnings that the terminal has already been told.
fn open_log(
    file: &ConfigFile,
    settings: &Settings,
    warnings: &[Diagnostic],
    parent: Option<&WaitingParent>,
) -> anyhow::Result<Log> {
    let mut log = Log::open(LogConfig {
        file: settings.log_file.value.clone(),
        syslog: settings.syslog,
        console: Console::Off,
    })
    .map_err(|error| file.error_at(settings.log_file.location, error))?;
    write(&mut log, file, warnings);
    log.set_console(match parent {
        Some(_) => Console::Trouble,
        None => Console::All,
    });
    Ok(log)
}

/// Opens everything and tells whoever waits that the daemon serves.
fn start<'a>(
    file: &ConfigFile,
    settings: Settings,
    operator: &'a mut Operator,
    parent: Option<WaitingParent>,
) -> anyhow::Result<(Lock, Shell<&'a mut Operator>)> {
    let lock = Lock::acquire(&settings.lock_file.value)
        .map_err(|error| file.error_at(settings.lock_file.location, error))?;
    if let Err(error) = scheduler::apply(settings.scheduler.value) {
        operator.warn(file.error_at(settings.scheduler.location, error));
    }
    match descriptors::raise_limit() {
        Ok(limit) if descriptors::may_run_short(limit) => operator.warn(format_args!(
            "the process may have {limit} descriptors and no more: clients may be turned away"
        )),
        Ok(_) => {}
        Err(error) => operator.warn(format_args!(
            "can't raise the limit on descriptors: {}; clients may be turned away",
            reason(&error)
        )),
    }
    detach_from_place().context("can't leave the place the daemon was started at")?;
    let kernel = open_kernel(file, &settings, operator)?;
    if settings.engine.poll_period.is_some() {
        operator.notice("running in polling mode");
    } else {
        operator.notice(format_args!(
            "netlink event socket buffer size has been set to {} bytes",
            kernel.buffer_len()
        ));
        check_events_switch(operator);
    }
    let links = links(file, &settings)?;

    let mut config = settings.engine;
    if let Some(of_file) = &file.outcome.config {
        config.cache_len_max = host::cache_len_max(of_file.general.hash_limit, sysctl::table_len_max());
    }
    config.links = links.iter().map(link_config).collect();
    let keep_alive = operator.systemd.watchdog_period();
    let mut shell = Shell::new(Parts {
        links,
        kernel,
        control_path: settings.control_socket.value,
        config,
        seed: Seed(random().context("can't read random numbers")?),
        host: operator,
        options: Options {
            event_iteration_limit: settings.event_iteration_limit,
            keep_alive,
        },
    })
    .map_err(|error| match error {
        StartError::Control(error) => file.error_at(settings.control_socket.location, error),
        StartError::TooManyLinks | StartError::Io { .. } => error.into(),
    })?;
    shell.host().notice("initialization completed");
    serve(shell.host(), parent)?;
    Ok((lock, shell))
}

/// Opens the sockets to the kernel and tells how events come.
fn open_kernel(file: &ConfigFile, settings: &Settings, operator: &mut Operator) -> anyhow::Result<Kernel> {
    let mut filter_place = settings.filter_place.value;
    let mut options = settings.kernel.value.clone();
    let mut opened = Kernel::open(&options);
    if let Err(error) = &opened
        && error.operation == Operation::SetFilter
        && filter_place == FilterPlace::Kernelspace
    {
        let problem =
            format!("{error}; the daemon filters alone (net.core.optmem_max limits what a filter may take)");
        operator.warn(file.error_at(settings.filter_place.location, problem));
        options.event_filter = EventFilter::default();
        filter_place = FilterPlace::Userspace;
        opened = Kernel::open(&options);
    }
    let kernel = opened.map_err(|error| {
        let clause = settings
            .kernel
            .location
            .filter(|_| error.operation == Operation::SetBuffer);
        file.error_at(clause, error)
    })?;
    if options.delivery == Delivery::Reliable {
        operator.notice("reliable ctnetlink event delivery is ENABLED.");
    }
    if !settings.engine.filter.is_empty() {
        operator.notice(match filter_place {
            FilterPlace::Userspace => "using user-space event filtering",
            FilterPlace::Kernelspace => "using kernel-space event filtering",
        });
    }
    Ok(kernel)
}

/// Tells whoever waits that the daemon serves.
fn serve(operator: &mut Operator, parent: Option<WaitingParent>) -> anyhow::Result<()> {
    match parent {
        Some(parent) => {
            operator.notice("-- starting in daemon mode --");
            operator.log.set_console(Console::Off);
            parent
                .release(&operator.systemd)
                .context("can't tell the command that the daemon serves")
        }
        None => {
            operator.notice("-- starting in console mode --");
            let told = operator.systemd.ready();
            operator.check_told(told);
            Ok(())
        }
    }
}

/// Opens the links, or says what is wrong with each that cannot be opened.
fn links(file: &ConfigFile, settings: &Settings) -> anyhow::Result<Vec<Link>> {
    let (mut links, mut failures) = (Vec::new(), Vec::new());
    for spec in &settings.links {
        match Link::open(&spec.value) {
            Ok(link) => links.push(link),
            Err(error) => failures.push(file.error_at(spec.location, error).to_string()),
        }
    }
    if failures.is_empty() {
        Ok(links)
    } else {
        bail!(failures.join("\n"))
    }
}

fn link_config(link: &Link) -> LinkConfig {
    LinkConfig {
        interface: link.interface().to_owned(),
        state: link.state(),
        reach: link.reach(),
    }
}

/// Makes sure that every flow sends events, or says loudly that some will not.
fn check_events_switch(operator: &mut Operator) {
    match turn_events_on() {
        EventsSwitch::On => {}
        EventsSwitch::TurnedOn { was } => operator.notice(format_args!(
            "nf_conntrack_events was {was} and is 1 from here on; \
             flows that are older may end without an event: set it before traffic starts"
        )),
        EventsSwitch::Refused { is, error } => operator.warn(format_args!(
            "nf_conntrack_events is {is} and can't be set to 1: {}; \
             flows will be missed or kept after their end",
            reason(&error)
        )),
        EventsSwitch::Unknown(error) => operator.warn(format_args!(
            "can't read nf_conntrack_events: {}; if it is not 1, flows will be missed or kept after their end",
            reason(&error)
        )),
    }
}
