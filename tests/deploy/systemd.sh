#!/usr/bin/env bash
# systemd.sh BINARY: systemd's own check of the unit must have nothing to say, with BINARY in place of /usr/bin/cometbridge.
# `systemd-analyze verify` exits 0 for a bad value and only warns, so its stderr must be empty as well.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
units=$here/../../deploy/systemd
# The highest exposure (0 safe, 10 open, in tenths) that `systemd-analyze security` may find.
exposure=20

fail() {
    printf 'systemd: %s\n' "$*" >&2
    exit 1
}

[[ $# == 1 ]] || fail "usage: $0 BINARY"
binary=$(realpath -e -- "$1") || fail "$1 is not there: build it first (cargo build)"
[[ -x $binary ]] || fail "$1 is not executable"
command -v systemd-analyze >/dev/null || fail "systemd-analyze is missing: apt-get install -y --no-install-recommends systemd"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unit=$work/cometbridge.service
sed "s#/usr/bin/cometbridge#$binary#g" "$units/cometbridge.service" >"$unit"
[[ $(grep -cF -- "$binary" "$unit") -ge 2 ]] || fail "the unit does not run /usr/bin/cometbridge"

# clean UNIT: whether systemd finds no fault in it; what it says is in $work/said.
clean() { systemd-analyze verify "$1" >"$work/said" 2>&1 && [[ ! -s $work/said ]]; }

clean "$unit" || fail "systemd-analyze verify: $(<"$work/said")"

# The check itself must be able to fail.
mkdir "$work/bad"
sed 's/^RestartSec=.*/RestartSec=soon/' "$unit" >"$work/bad/cometbridge.service"
if clean "$work/bad/cometbridge.service"; then
    fail "systemd-analyze verify accepts RestartSec=soon: it checks nothing here"
fi

systemd-analyze security --offline=true --threshold="$exposure" "$unit" >"$work/said" 2>&1 ||
    fail "the unit is more exposed than $exposure (0 to 100): $(tail -n 3 "$work/said")"
tail -n 1 "$work/said"

if command -v systemd-sysusers >/dev/null; then
    systemd-sysusers --dry-run "$units/cometbridge.sysusers" >"$work/said" 2>&1 || fail "sysusers: $(<"$work/said")"
fi
printf 'systemd: ok\n'
