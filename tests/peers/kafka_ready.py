"""Waits until a Kafka broker answers a metadata request: exit 0 when it does, 1 when it does not in time."""
import argparse
import sys
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--timeout", type=float, default=60, help="seconds (default 60)")
    args = parser.parse_args()

    admin = AdminClient({
        "bootstrap.servers": args.brokers,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 200,
        "log_level": 0,
    }, logger=None)
    end = time.monotonic() + args.timeout
    while time.monotonic() < end:
        try:
            if admin.list_topics(timeout=1).brokers:
                return 0
        except KafkaException:
            time.sleep(0.1)
    print(f"no answer from {args.brokers} in {args.timeout:g} s", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
