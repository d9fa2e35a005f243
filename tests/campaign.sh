#!/usr/bin/env bash
# campaign.sh CARGO [FEATURES...]: the full sizes of the tests and benchmarks in a release build, and the fuzz targets
# for three minutes each. Every part (a module of the tests, a benchmark, normalise, the fuzzing) adds its own section to
# CAMPAIGN.md when it ends, passed or not. A part that has passed for these very sources is not run again, so an
# interrupted campaign goes on where it was: start it anew. It takes hours; in the background:
#   nohup make campaign >campaign.log 2>&1 &
# CAMPAIGN_ONLY=crash,fuzz runs the parts whose names begin so; CAMPAIGN_AGAIN=1 repeats those that have passed, too.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ $# -ge 1 ]] || { echo "usage: $0 CARGO [FEATURES...]" >&2; exit 1; }
cargo=$1
shift
features=("$@")
results=tests/CAMPAIGN.md
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cometbridge/campaign
mkdir -p "$cache"
said=$(mktemp)
trap 'rm -f "$said"' EXIT
export COMETBRIDGE_CAMPAIGN=1

# Two at once would measure each other.
exec 9>"$cache/lock"
flock -n 9 || { echo "campaign: another one is running (it holds $cache/lock)" >&2; exit 1; }

# The sources that a stamp stands for: all that is committed but the results themselves, so that keeping those does not
# begin the campaign anew. What is not committed has no name, and is never passed over.
commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
sources=$(git ls-tree -r HEAD 2>/dev/null | grep -v $'\ttests/CAMPAIGN\\.md$' | git hash-object --stdin 2>/dev/null || true)
changes=$(git status --porcelain --untracked-files=no -- . ':!tests/CAMPAIGN.md' 2>/dev/null || true)
changes+=$(git ls-files --others --exclude-standard -- src tests benches 2>/dev/null || true)
if [[ -z $sources || -n $changes ]]; then
    commit="$commit with changes"
    sources=
fi
stamps=$cache/$sources
[[ -z $sources ]] || mkdir -p "$stamps"

# heading: the date, commit and machine, once for parts that follow each other.
heading() {
    local memory processor title
    memory=$(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo)
    processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    title="## $(date -u +%Y-%m-%d), commit $commit"
    [[ -f $results ]] || printf '# Campaigns\n\nWhat "make campaign" printed, the latest last.\n' >"$results"
    [[ $(grep '^## ' "$results" | tail -n 1) != "$title" ]] || return 0
    printf '\n%s\n\n%s processors (%s), %s of memory, Linux %s, %s, release build.\n' "$title" "$(nproc)" \
        "${processor:-unknown}" "$memory" "$(uname -r)" "$(rustc --version)" >>"$results"
}

failed=()
over=()
passed=0
before=0

# part NAME COMMAND...: runs it, shows and keeps what it prints, and notes the result; a failure does not end the rest.
part() {
    local name=$1 stamp=$stamps/${1//:/_} result=passed began=$SECONDS
    shift
    if [[ -n ${CAMPAIGN_ONLY:-} ]]; then
        local wanted=no prefix
        for prefix in ${CAMPAIGN_ONLY//,/ }; do
            [[ $name != "$prefix"* ]] || wanted=yes
        done
        [[ $wanted == yes ]] || return 0
    fi
    if [[ -n $sources && -e $stamp && ${CAMPAIGN_AGAIN:-} != 1 ]]; then
        before=$((before + 1))
        printf '== campaign: %s has passed already ==\n' "$name"
        return 0
    fi
    printf '== campaign: %s ==\n' "$name"
    "$@" 2>&1 | tee "$said" || result=FAILED
    # A time or a ratio beyond what is wanted fails no test; it is not passed over either.
    [[ $result != passed ]] || ! grep -qE ': over$|, logins over$' "$said" || result=over
    heading
    {
        printf '\n### %s: %s, %d min, load average %s\n\n```text\n' "$name" "$result" \
            $(((SECONDS - began) / 60)) "$(cut -d ' ' -f 1 /proc/loadavg)"
        # Builds and their progress say nothing about the result.
        grep -vE '^ +(Compiling|Downloaded|Downloading|Updating|Locking|Finished|Running|Executable) |^$' "$said" || true
        printf '```\n'
    } >>"$results"
    if [[ $result == passed ]]; then
        passed=$((passed + 1))
        [[ -z $sources ]] || touch "$stamp"
    elif [[ $result == over ]]; then
        over+=("$name")
    else
        failed+=("$name")
    fi
}

tests() { "$cargo" test --release --locked "${features[@]}" --test it -- "$@"; }

# A part for each module of the tests, in the order of their names; `--exact`, as modules lie in modules.
# Built where it can be seen; then the list alone.
tests --list >"$said"
list=$(sed -n 's/: test$//p' "$said")
[[ -n $list ]] || { echo "campaign: no tests are listed" >&2; exit 1; }
mapfile -t modules < <(printf '%s\n' "$list" | sed 's/::[^:]*$//' | LC_ALL=C sort -u)
for module in "${modules[@]}"; do
    names=()
    while read -r name; do
        [[ ${name%::*} != "$module" ]] || names+=("$name")
    done <<<"$list"
    part "$module" tests --exact --nocapture --test-threads=1 "${names[@]}"
done
mapfile -t benches < <(grep -A 1 '^\[\[bench\]\]' Cargo.toml | sed -n 's/^name = "\(.*\)"$/\1/p')
for bench in "${benches[@]}"; do
    part "bench $bench" "$cargo" bench --locked "${features[@]}" --bench "$bench"
done
part normalise "$cargo" test --release --locked "${features[@]}" --lib -- --nocapture normalise::tests::hostile
part fuzz env CARGO="$cargo" FUZZ_FEATURES="${features[*]}" tests/fuzz/run.sh 180

minutes=$((SECONDS / 60))
[[ ${#over[@]} -eq 0 ]] || printf 'campaign: beyond what is wanted, though nothing failed: %s\n' "${over[*]}"
if [[ ${#failed[@]} -gt 0 ]]; then
    printf 'campaign: FAILED after %d min: %s (%d passed); see %s\n' "$minutes" "${failed[*]}" "$passed" "$results"
    exit 1
fi
printf 'campaign: %d parts passed in %d min, %d had passed before; see %s\n' "$passed" "$minutes" "$before" "$results"
