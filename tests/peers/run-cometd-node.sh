#!/usr/bin/env bash
# Becomes the Node CometD peer, with the packages from the cache; all arguments are the peer's (see README.md).
set -euo pipefail
cache=${COMETBRIDGE_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/cometbridge/peers}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
COMETD_NODE_MODULES=$cache/cometd-node exec node "$here/cometd-node/server.js" "$@"
