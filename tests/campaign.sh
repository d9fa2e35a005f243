#!/usr/bin/env bash
# campaign.sh CARGO [FEATURES...]: the full sizes of the tests and the benchmarks, in a release build, and the
# fuzz targets for three minutes each. What they printed, with date, commit and machine, becomes a section at the end
# of CAMPAIGN.md, whether they passed or not.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $# -ge 1 ]] || { echo "usage: $0 CARGO [FEATURES...]" >&2; exit 1; }
cargo=$1
shift
results=tests/CAMPAIGN.md
said=$(mktemp)
trap 'rm -f "$said"' EXIT
export COMETBRIDGE_CAMPAIGN=1

commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
[[ -z $(git status --porcelain --untracked-files=no -- . ':!tests/CAMPAIGN.md' 2>/dev/null) ]] || commit="$commit with changes"
memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
started=$SECONDS
passed=passed

# run COMMAND...: shows and keeps what it prints; a failure is noted, and the rest runs all the same.
run() {
    printf '$ %s\n' "$*" | tee -a "$said"
    "$@" 2>&1 | tee -a "$said" || passed=FAILED
}

run "$cargo" test --release --locked "$@" --test it -- --nocapture --test-threads=1
run "$cargo" bench --locked "$@" --bench idle
run "$cargo" bench --locked "$@" --bench fleet
run env CARGO="$cargo" FUZZ_FEATURES="$*" tests/fuzz/run.sh 180

[[ -f $results ]] || printf '# Campaigns\n\nWhat "make campaign" printed, the latest last.\n' >"$results"
{
    printf '\n## %s, commit %s: %s\n\n' "$(date -u +%Y-%m-%d)" "$commit" "$passed"
    printf '%s processors (%s), %s of memory, Linux %s, %s; %d min.\n\n```text\n' \
        "$(nproc)" "${processor:-unknown}" "$memory" "$(uname -r)" "$(rustc --version)" $(((SECONDS - started) / 60))
    # Builds and their progress say nothing about the result.
    grep -vE '^ +(Compiling|Downloaded|Downloading|Updating|Locking|Finished|Running|Executable) ' "$said"
    printf '```\n'
} >>"$results"
printf 'campaign: %s after %d min, see %s\n' "$passed" $(((SECONDS - started) / 60)) "$results"
[[ $passed == passed ]]
