#!/usr/bin/env bash
# Fetches and builds the test peers into a cache outside the checkout. Run it as often as you like: what is there
# already, for the same sources and pins, is left alone. The peers themselves are described in README.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${COMETBRIDGE_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/cometbridge/peers}
step=start

say() { printf 'peers: %s\n' "$*"; }

# fail WHAT COMMAND: what is missing, and the one command that mends it.
fail() {
    printf 'peers: %s: missing: %s\n' "$step" "$1" >&2
    printf 'peers: mend it with: %s\n' "$2" >&2
    exit 1
}

need() { command -v "$1" >/dev/null 2>&1 || fail "the program $1" "$2"; }

# digest PATH...: one digest over the names and contents of the given sources.
digest() {
    (cd "$here" && find "$@" -type f -not -path '*/target/*' -not -path '*/node_modules/*' -print0 | sort -z |
        xargs -0 sha256sum | sha256sum | cut -c1-16)
}

# current NAME DIGEST: whether the cache holds that part, built from those sources.
current() { [[ -f $cache/$1/.digest && $(<"$cache/$1/.digest") == "$2" ]]; }

# install_part NAME DIGEST: moves the finished new part, $cache/NAME.new, to its place.
install_part() {
    printf '%s\n' "$2" >"$cache/$1.new/.digest"
    rm -rf "${cache:?}/$1"
    mv "$cache/$1.new" "$cache/$1"
}

fresh() {
    rm -rf "${cache:?}/$1.new"
    mkdir -p "$cache/$1.new"
}

# quiet LOG COMMAND...: runs the command; shows the end of its output only when it fails.
quiet() {
    local log=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        return 1
    fi
}

cometd_java() {
    step=cometd-java
    local want
    want=$(digest cometd-java)
    if current cometd-java "$want"; then
        say "cometd-java: up to date"
        return
    fi
    need javac "apt-get install -y --no-install-recommends openjdk-17-jdk-headless"
    need mvn "apt-get install -y --no-install-recommends maven"
    say "cometd-java: building the Java CometD peer with Maven"
    fresh cometd-java
    cp -r "$here/cometd-java" "$cache/cometd-java.new/build"
    quiet "$cache/cometd-java.log" mvn -B -q -f "$cache/cometd-java.new/build/pom.xml" package ||
        fail "its jars, or a build without errors (see above; it needs Maven Central)" "$here/setup.sh"
    mv "$cache/cometd-java.new/build/target/cometd-peer.jar" "$cache/cometd-java.new/build/target/lib" \
        "$cache/cometd-java.new/"
    rm -rf "$cache/cometd-java.new/build"
    install_part cometd-java "$want"
}

kafka() {
    step=kafka
    local want
    want=$(digest kafka/pom.xml)
    if current kafka "$want"; then
        say "kafka: up to date"
        return
    fi
    need java "apt-get install -y --no-install-recommends openjdk-17-jdk-headless"
    need mvn "apt-get install -y --no-install-recommends maven"
    say "kafka: fetching the Apache Kafka jars with Maven"
    fresh kafka
    quiet "$cache/kafka.log" mvn -B -q -f "$here/kafka/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$cache/kafka.new/lib" ||
        fail "the Kafka jars (see above; it needs Maven Central)" "$here/setup.sh"
    install_part kafka "$want"
}

# node_part NAME WHAT: the packages of NAME/package-lock.json, by their digests.
node_part() {
    step=$1
    local want
    want=$(digest "$1/package.json" "$1/package-lock.json")
    if current "$1" "$want"; then
        say "$1: up to date"
        return
    fi
    need node "apt-get install -y --no-install-recommends nodejs npm"
    need npm "apt-get install -y --no-install-recommends npm"
    say "$1: installing $2 with npm"
    fresh "$1"
    cp "$here/$1/package.json" "$here/$1/package-lock.json" "$cache/$1.new/"
    quiet "$cache/$1.log" npm ci --prefix "$cache/$1.new" --omit=dev --ignore-scripts --no-audit --no-fund ||
        fail "$2 (see above; it needs the npm registry)" "$here/setup.sh"
    install_part "$1" "$want"
}

# python_part NAME REQUIREMENTS: a virtual environment with those packages.
python_part() {
    step=$1
    need python3 "apt-get install -y --no-install-recommends python3 python3-venv"
    local want
    want=$(digest "$2")-$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if current "$1" "$want" && [[ -x $cache/$1/bin/python ]]; then
        say "$1: up to date"
        return
    fi
    say "$1: creating a virtual environment and installing $2 with pip"
    # A virtual environment holds its own path, so it is made in its place and marked when complete.
    rm -rf "${cache:?}/$1"
    quiet "$cache/$1.log" python3 -m venv "$cache/$1" ||
        fail "Python's venv module" "apt-get install -y --no-install-recommends python3-venv"
    quiet "$cache/$1.log" "$cache/$1/bin/pip" install --disable-pip-version-check -r "$here/$2" ||
        fail "the packages of $2 (see above; it needs PyPI)" "$here/setup.sh"
    printf '%s\n' "$want" >"$cache/$1/.digest"
}

# A preloaded library, not a server: an fsync that fails on demand.
fsync_shim() {
    step=fsync-shim
    local want
    want=$(digest fsync-shim)
    if current fsync-shim "$want"; then
        say "fsync-shim: up to date"
        return
    fi
    need cc "apt-get install -y --no-install-recommends gcc libc6-dev"
    say "fsync-shim: compiling the failing fsync with cc"
    fresh fsync-shim
    quiet "$cache/fsync-shim.log" cc -std=c11 -O2 -Wall -Wextra -Werror -fPIC -shared \
        -o "$cache/fsync-shim.new/fsync_fail.so" "$here/fsync-shim/fsync_fail.c" -ldl ||
        fail "a C compiler with its headers (see above)" "apt-get install -y --no-install-recommends gcc libc6-dev"
    install_part fsync-shim "$want"
}

prometheus() {
    step=prometheus
    if command -v promtool >/dev/null && command -v prometheus >/dev/null; then
        say "prometheus: installed"
        return
    fi
    local install="apt-get install -y --no-install-recommends prometheus"
    local -a as=()
    if [[ $(id -u) != 0 ]]; then
        if ! sudo -n true 2>/dev/null; then
            fail "prometheus and promtool" "sudo sh -c 'apt-get update && $install'"
        fi
        as=(sudo -n)
    fi
    need apt-get "a Prometheus of your own with promtool, on PATH"
    say "prometheus: installing the Debian package"
    quiet "$cache/prometheus.log" "${as[@]}" apt-get update ||
        fail "the Debian package lists (see above)" "apt-get update"
    # shellcheck disable=SC2086 # $install is a command line
    quiet "$cache/prometheus.log" "${as[@]}" env DEBIAN_FRONTEND=noninteractive $install ||
        fail "the Debian package prometheus (see above)" "$install"
}

mkdir -p "$cache"
# One setup at a time.
exec 9>"$cache/.lock"
flock 9

cometd_java
kafka
node_part cometd-node "the Node CometD server"
node_part receivers-node "the Standard Webhooks library and the CloudEvents SDK"
node_part consumer-node "the CloudEvents SDK, Ajv and KafkaJS"
python_part python requirements.txt
python_part consumer-python consumer-python/requirements.txt
fsync_shim
prometheus
say "ready in $cache"
