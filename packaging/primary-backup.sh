#!/bin/sh
# Tells conntrackd what role this firewall has. For keepalived, in a vrrp_sync_group:
#
#     notify_master "/etc/conntrackd/primary-backup.sh primary"
#     notify_backup "/etc/conntrackd/primary-backup.sh backup"
#     notify_fault  "/etc/conntrackd/primary-backup.sh fault"
#
# CONNTRACKD and CONNTRACKD_CONFIG in the environment name another program and configuration file.

CONNTRACKD=${CONNTRACKD:-/usr/sbin/conntrackd}
CONNTRACKD_CONFIG=${CONNTRACKD_CONFIG:-/etc/conntrackd/conntrackd.conf}

complain() {
    logger -t conntrackd -p daemon.err -- "primary-backup.sh: $1"
}

# Gives the daemon one command. A command that fails is no reason to leave out the next.
ask() {
    "$CONNTRACKD" -C "$CONNTRACKD_CONFIG" "$@" || complain "conntrackd $* failed"
}

start_unless_running() {
    "$CONNTRACKD" -C "$CONNTRACKD_CONFIG" -s > /dev/null 2>&1 && return
    # Returns when the control socket answers. The lock file of a daemon that died is no obstacle.
    "$CONNTRACKD" -C "$CONNTRACKD_CONFIG" -d && return
    complain "cannot start conntrackd"
    exit 1
}

case "$1" in
primary)
    # The peer's flows into this kernel, before traffic comes: -c returns when the kernel has them all.
    ask -c
    # They are ours from here on: forget the copies, read what this kernel has, give all of it to the new backup.
    ask -f
    ask -R
    ask -B
    ;;
backup)
    start_unless_running
    # Forget, after PurgeTimeout, what this kernel no longer sees; a firewall that is primary again by then keeps it.
    ask -t
    # Ask the new primary for all its flows.
    ask -n
    ;;
fault)
    ask -t
    ;;
*)
    echo "usage: $0 primary|backup|fault" >&2
    exit 1
    ;;
esac
