"""Makes topics and gives rights, as the operator of a cluster does; waits until the brokers know of them."""
import argparse
import json
import sys
import time

from confluent_kafka.admin import (
    AclBinding, AclBindingFilter, AclOperation, AclPermissionType, AdminClient, NewTopic, ResourcePatternType, ResourceType,
)


def binding(kind, principal, operation, topic):
    return kind(ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, principal, "*",
                AclOperation[operation.upper()], AclPermissionType.ALLOW)


def needed(acl):
    resource = {"cluster": ResourceType.BROKER}.get(acl["resource"]) or ResourceType[acl["resource"].upper()]
    operation = acl["operation"].upper()
    return AclBinding(resource, acl["name"], ResourcePatternType[acl["pattern"].upper()], acl["principal"], "*",
                      AclOperation[operation], AclPermissionType.ALLOW)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", action="append", default=[], help="to be made, with 6 partitions")
    parser.add_argument("--allow", action="append", default=[], nargs=3, metavar=("PRINCIPAL", "OPERATION", "TOPIC"))
    parser.add_argument("--needs", help="what `cometbridge topics --json` has printed")
    args = parser.parse_args()

    admin = AdminClient({"bootstrap.servers": args.brokers, "log_level": 0})
    if args.topic:
        for made in admin.create_topics([NewTopic(name, 6, 1) for name in args.topic]).values():
            made.result(30)
    acls = [binding(AclBinding, *allowed) for allowed in args.allow]
    if args.needs:
        with open(args.needs, encoding="utf-8") as lines:
            needs = [json.loads(line) for line in lines]
        topics = {need["topic"]: NewTopic(need["topic"], need["partitions"] or 6, 1, config=need["settings"]) for need in needs}
        for made in admin.create_topics(list(topics.values())).values():
            made.result(30)
        args.topic += topics
        acls += [needed(acl) for need in needs for acl in need["acls"] if not acl["when"]]
    if acls:
        for made in admin.create_acls(acls).values():
            made.result(30)
    end = time.monotonic() + 30
    for allowed in args.allow:
        while not admin.describe_acls(binding(AclBindingFilter, *allowed)).result(30):
            if time.monotonic() > end:
                print(f"no such right: {allowed}", file=sys.stderr)
                return 1
            time.sleep(0.05)
    while not set(args.topic) <= set(admin.list_topics(timeout=10).topics):
        if time.monotonic() > end:
            print("the topics are not there", file=sys.stderr)
            return 1
        time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
