#!/usr/bin/env bash
# The alerts and their tests, the example of Prometheus' configuration, and the dashboard: promtool accepts every expression,
# every alert is tested both ways and says what to do, and every metric of the service stands on the dashboard.
# promtool comes with Debian's package prometheus (tests/peers/setup.sh).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
alerts=$root/deploy/prometheus/alerts.yml

fail() {
    printf 'prometheus: %s\n' "$*" >&2
    exit 1
}

command -v promtool >/dev/null || fail "promtool is missing: run tests/peers/setup.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# quiet WHAT COMMAND...: shows what the command said only when it fails.
quiet() {
    local what=$1
    shift
    "$@" >"$work/said" 2>&1 || fail "$what: $(<"$work/said")"
}

quiet "check rules" promtool check rules "$alerts"
quiet "test rules" promtool test rules "$root/deploy/prometheus/alerts_test.yml"

# The example names a token file that is not here.
printf 'token\n' >"$work/token"
sed "s#credentials_file: .*#credentials_file: $work/token#" "$root/deploy/prometheus/prometheus.example.yml" >"$work/prometheus.yml"
cp "$alerts" "$work/"
quiet "check config" promtool check config "$work/prometheus.yml"

quiet "dashboard" python3 -m json.tool "$root/deploy/grafana/cometbridge.json"
python3 "$here/prometheus_live.py" --rules "$root/src/base/metrics.rs" "$root/src/base/metrics/fleet.rs" "$root/src/base/metrics/sinks.rs" >"$work/dashboard.yml" || fail "see above"
quiet "an expression of the dashboard" promtool check rules "$work/dashboard.yml"

# The check itself must be able to fail.
sed '0,/expr: "/s//expr: "sum(/' "$work/dashboard.yml" >"$work/bad.yml"
if promtool check rules "$work/bad.yml" >/dev/null 2>&1; then
    fail "promtool accepts a bad expression: it checks nothing here"
fi

# Each alert is whole, and tested.
count=0
while read -r name; do
    count=$((count + 1))
    part=$(sed -n "/- alert: $name\$/,/^\$/p" "$alerts")
    for needed in 'expr: ' 'severity: \(critical\|warning\|info\)$' 'summary: ' 'description: '; do
        grep -q "$needed" <<<"$part" || fail "$name has no ${needed%%:*}"
    done
    python3 - "$name" "$root/deploy/prometheus/alerts_test.yml" <<'PYTHON' || fail "$name is not tested both firing and not firing"
import re, sys
name, text = sys.argv[1], open(sys.argv[2], encoding="utf-8").read()
stories = re.findall(rf'- name: "{name}: .*?(?=\n  - name: |\Z)', text, re.S)
fires = [story for story in stories if f'labels: \'ALERTS{{alertname="{name}",alertstate="firing"' in story]
silent = [story for story in stories if story not in fires]
sys.exit(0 if fires and silent else 1)
PYTHON
done < <(sed -n 's/^ *- alert: //p' "$alerts")
[[ $count -gt 0 ]] || fail "no alert found"
printf 'prometheus: ok (%d alerts, %d expressions on the dashboard)\n' "$count" "$(grep -c 'record:' "$work/dashboard.yml")"
