#!/usr/bin/env bash
# run.sh [SECONDS [TARGET...]]: builds the fuzz targets and runs each for so long (60 s), one after the other. Prints
# executions and peak memory of each; fails if one found something, and says how to see it again.
#
# libFuzzer on a stable compiler: coverage is LLVM's own pass, there is no address sanitizer (the code has no unsafe).
# The corpus of earlier runs is kept in corpus/ and goes on growing; findings are in artifacts/. Needs a C++ compiler.
# CARGO, FUZZ_FEATURES and CARGO_TARGET_DIR are heard.
set -euo pipefail

seconds=${1:-60}
shift || true
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fixtures=$here/../fixtures/normalise
host=$(rustc -vV | sed -n 's/^host: //p')
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-$here/../../target}/fuzz
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(bayeux normalise timestamps roster cookies)
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "usage: $0 [SECONDS [TARGET...]]" >&2; exit 1; }
command -v c++ >/dev/null || { echo "fuzz: a C++ compiler is missing: apt-get install -y --no-install-recommends g++" >&2; exit 1; }

# With --target the flags do not reach build scripts, which lack the runtime that the counters need.
flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags+=" -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing"
# shellcheck disable=SC2086 # FUZZ_FEATURES is a list of arguments
RUSTFLAGS=$flags nice "$cargo" build --release --locked --manifest-path "$here/Cargo.toml" \
    --target "$host" --target-dir "$target" ${FUZZ_FEATURES:-}

# seeds TARGET: what a run begins with, into its corpus: the fixtures of the tests and the files in seeds/TARGET.
seeds() {
    local corpus=$here/corpus/$1
    mkdir -p "$corpus"
    if [[ -d $here/seeds/$1 ]]; then
        cp "$here/seeds/$1/"* "$corpus/"
    fi
    [[ $1 == bayeux || $1 == normalise ]] || return 0
    local file data channel
    for file in "$fixtures"/*.json; do
        channel=$(sed -n 's/^  "channel": "\(.*\)",$/\1/p' "$file")
        # All from the member `data` to the one that follows it, as it stands there.
        data=$(sed -n '/^  "data": /,/^  "decided_by": /p' "$file" | sed -e '$d' -e '1s/^  "data": //')
        data=${data%,}
        if [[ $1 == bayeux ]]; then
            printf '[{"channel":"%s","data":%s},{"channel":"/meta/connect","id":"7","successful":true,"ext":{"ack":3}}]' \
                "$channel" "$data"
        else
            printf '%s\n%s' "$channel" "$data"
        fi >"$corpus/fixture-$(basename "$file" .json)"
    done
}

found=()
for name in "${targets[@]}"; do
    seeds "$name"
    mkdir -p "$here/artifacts/$name"
    log=$(mktemp)
    options=(-max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1
        -artifact_prefix="$here/artifacts/$name/")
    if [[ -f $here/dictionaries/$name ]]; then
        options+=(-dict="$here/dictionaries/$name")
    fi
    result=ok
    RUST_BACKTRACE=0 nice "$target/$host/release/$name" "${options[@]}" "$here/corpus/$name" >"$log" 2>&1 || result=FAILED
    figure() { sed -n "s/^stat::$1: *//p" "$log"; }
    printf 'fuzz %-11s %s: %s executions in %s s, peak RSS %s MiB, corpus %s\n' "$name" "$result" \
        "$(figure number_of_executed_units)" "$seconds" "$(figure peak_rss_mb)" \
        "$(find "$here/corpus/$name" -type f | wc -l)"
    if [[ $result == FAILED ]]; then
        found+=("$name")
        # libFuzzer's own stack says less than the panic.
        { grep -A 3 -E 'panicked at|out-of-memory|timeout after' "$log" || tail -n 20 "$log"; } >&2
        printf 'fuzz: see it again with %s FILE, a file of %s\n' "$target/$host/release/$name" "$here/artifacts/$name" >&2
    fi
    rm -f "$log"
done
[[ ${#found[@]} == 0 ]] || { echo "fuzz: findings in ${found[*]}" >&2; exit 1; }
