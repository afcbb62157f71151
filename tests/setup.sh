#!/bin/sh
# Installs what the demo, the tests and the comparison need on Debian 12, and says what it does.
# Without root it only says what is missing: the kernel tests then say why they are skipped.
set -eu

packages="conntrack conntrackd iproute2 keepalived nftables procps tcpdump"
missing=""
for package in $packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done

if [ -z "$missing" ]; then
    echo "setup: all Debian packages are there:" $packages
elif [ "$(id -u)" -ne 0 ]; then
    echo "setup: not root, so these Debian packages stay missing:$missing"
else
    echo "setup: installing Debian packages:$missing"
    # The stock daemon and keepalived are peers for the tests: they must not start by themselves.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086
    apt-get install -y -qq --no-install-recommends $missing
fi
