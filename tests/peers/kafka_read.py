"""Prints all committed records of a topic as JSON lines, read with librdkafka's own Python client.

Exit 0 once at least the expected number was read and nothing more came for a moment; 2 when fewer came and then
nothing for --max-idle seconds; 1 on an error. Nothing more means that the broker said of each partition that this was
its end: a slow broker is waited for, and is an error only after LONG seconds.
"""
import argparse
import json
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition


LONG = 60


def text(value):
    return None if value is None else value.decode("utf-8", "surrogateescape")


def partitions(consumer, topic, max_idle):
    """The topic's partitions; waits for a topic that is not there yet."""
    end = time.monotonic() + max(max_idle, LONG / 2)
    while time.monotonic() < end:
        try:
            found = consumer.list_topics(topic, timeout=1).topics[topic]
            if found.error is None and found.partitions:
                return sorted(found.partitions)
        except KafkaException:
            pass
        time.sleep(0.1)
    return []


def offsets(consumer, topic, number):
    """What the broker says a partition holds: its first offset, and the one after its last."""
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=5)
    except KafkaException as error:
        return error


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True)
    parser.add_argument("--group", default="peer-reader")
    parser.add_argument("--max-idle", type=float, default=10, help="seconds without a record (default 10)")
    parser.add_argument("--settle", type=float, default=0.7, help="seconds to wait for more than expected")
    parser.add_argument("--expect", type=int, help="how many at least (default: any number)")
    args = parser.parse_args()

    consumer = Consumer({
        "bootstrap.servers": args.brokers,
        "group.id": args.group,
        "enable.auto.commit": False,
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 100,
        "enable.partition.eof": True,
        "log_level": 3,
    })
    count = 0
    ended = set()
    try:
        numbers = partitions(consumer, args.topic, args.max_idle)
        if not numbers:
            print(f"no topic {args.topic}", file=sys.stderr)
            return 2 if args.expect else 0
        consumer.assign([TopicPartition(args.topic, n, OFFSET_BEGINNING) for n in numbers])
        last = time.monotonic()
        while True:
            enough = args.expect is not None and count and count >= args.expect
            idle = args.settle if enough else args.max_idle
            message = consumer.poll(0.1)
            if message is None:
                quiet = time.monotonic() - last
                if quiet > idle and len(ended) == len(numbers):
                    break
                if quiet > LONG:
                    print(f"no end of {args.topic}: only partitions {sorted(ended)} of {numbers}", file=sys.stderr)
                    return 1
                continue
            error = message.error()
            if error is not None and error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
                continue
            if error is not None:
                if error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                    print(error, file=sys.stderr)
                    return 1
                continue
            last = time.monotonic()
            ended.discard(message.partition())
            count += 1
            print(json.dumps({
                "partition": message.partition(),
                "offset": message.offset(),
                "key": text(message.key()),
                "headers": {name: text(value) for name, value in message.headers() or []},
                "value": text(message.value()),
                "timestamp": message.timestamp()[1],
            }))
        if args.expect is not None and count < args.expect:
            # Whether the broker has it and it was not read, or the topic never held it.
            held = ", ".join(f"{n}: {offsets(consumer, args.topic, n)}" for n in numbers)
            print(f"only {count} of {args.expect} records; offsets by partition {held}", file=sys.stderr)
            return 2
    finally:
        sys.stdout.flush()
        consumer.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
