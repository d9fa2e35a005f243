#!/usr/bin/env bash
# Becomes a one-node Apache Kafka broker (KRaft, broker and controller in one process) on loopback:
#   kafka.sh start DIR PORT CONTROLLER_PORT [MORE [FORMAT_OPTION...]]
# An empty DIR is formatted first, with the options given; with data in it the broker goes on from there. MORE is a file
# of settings that stand above those here. The process that runs this script turns into the broker, so its pid is the
# broker's. Everything it says goes to DIR/broker.log.
set -euo pipefail

cache=${COMETBRIDGE_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/cometbridge/peers}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [[ $# -lt 4 || $1 != start ]]; then
    echo "usage: kafka.sh start DIR PORT CONTROLLER_PORT [MORE [FORMAT_OPTION...]]" >&2
    exit 2
fi
dir=$2 port=$3 controller=$4 more=${5:-/dev/null}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
exec >>"$dir/broker.log" 2>&1

cat >"$dir/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
auto.create.topics.enable=true
num.partitions=6
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
# A broker killed outright can register again only when its old session has run out (default 9 s).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
END
cat "$more" >>"$dir/server.properties"

java=(java -Xms64m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1
    "-Dlog4j2.configurationFile=$here/kafka/log4j2.properties" -cp "$cache/kafka/lib/*")
if [[ ! -e $dir/data/meta.properties ]]; then
    # The cluster id is the text "cometbridge-peer" in base64.
    "${java[@]}" kafka.tools.StorageTool format -t Y29tZXRicmlkZ2UtcGVlcg -c "$dir/server.properties" "${@:6}"
fi
exec "${java[@]}" kafka.Kafka "$dir/server.properties"
