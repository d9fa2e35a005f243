#!/usr/bin/env bash
# The Dockerfile: hadolint has nothing to say (its binary comes with tests/peers/setup.sh), and the image runs as a
# numeric user, which Kubernetes' runAsNonRoot needs in order to believe it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$here/../..
cache=${COMETBRIDGE_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/cometbridge/peers}
hadolint=$cache/python/bin/hadolint

fail() {
    printf 'dockerfile: %s\n' "$*" >&2
    exit 1
}

[[ -x $hadolint ]] || fail "hadolint is missing: run tests/peers/setup.sh"
"$hadolint" --failure-threshold style "$root/Dockerfile" || fail "hadolint found faults (above)"

# The check itself must be able to fail.
if printf 'FROM debian:latest\nRUN cd /tmp\n' | "$hadolint" --failure-threshold style - >/dev/null; then
    fail "hadolint accepts a bad Dockerfile: it checks nothing here"
fi

grep -Eq '^USER [0-9]+:[0-9]+$' "$root/Dockerfile" || fail "USER must be numeric"
user=$(sed -n 's/^USER \([0-9]*\):.*/\1/p' "$root/Dockerfile")
grep -q "runAsUser: $user\$" "$root/deploy/kubernetes/statefulset.yaml" || fail "the StatefulSet runs as another user than $user"
for line in 'STOPSIGNAL SIGTERM' 'ENTRYPOINT ["/usr/bin/cometbridge"]' \
    'CMD ["run", "--config", "/etc/cometbridge/cometbridge.toml"]'; do
    grep -qxF "$line" "$root/Dockerfile" || fail "missing: $line"
done
printf 'dockerfile: ok\n'
