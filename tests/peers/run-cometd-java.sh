#!/usr/bin/env bash
# Becomes the Java CometD peer from the cache; all arguments are the peer's (see README.md).
set -euo pipefail
cache=${COMETBRIDGE_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/cometbridge/peers}
exec java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 \
    -cp "$cache/cometd-java/cometd-peer.jar:$cache/cometd-java/lib/*" org.cometbridge.peer.Main "$@"
