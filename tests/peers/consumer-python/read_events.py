"""An example consumer: reads agent states and chat transcripts from Kafka, checks each against its JSON Schema, and
prints a line of JSON for each.

    cometbridge schema agent.state_change > schemas/agent.state_change.json
    cometbridge schema chat.transcript > schemas/chat.transcript.json
    pip install cloudevents confluent-kafka jsonschema
    python read_events.py --brokers kafka-1:9092 --topic gws.agent-state --topic gws.content --schemas schemas

Both modes of the sink are understood. What is no such event, or does not fit its schema, is printed with its `problem`.
With --records it ends after so many records, with exit code 1 where one had a problem. Deliberately absent: logins to
Kafka, and keeping the ids that were seen beyond the end of the process.
"""
import argparse
import json
import pathlib
import sys

from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka_event
from confluent_kafka import Consumer, KafkaException
from jsonschema import Draft202012Validator


def agent_state(event, data):
    user = data.get("userState", {})
    return {
        "event": "agent state",
        "agent": event.get_extension("agent"),
        "channel": data.get("channel"),
        "device": data.get("deviceId"),
        "state": user.get("state"),
        "reason": user.get("reason"),
    }


def chat_transcript(event, data):
    return {
        "event": "chat transcript",
        "conversation": data["interactionId"],
        # In binary mode every attribute is text.
        "revision": int(event.get_extension("revision") or 1),
        # A word, not a boolean: only "true" says that nothing is missing.
        "complete": data["complete"],
        "reasons": data.get("reasons", []),
        "messages": [said(item["message"]) for item in data["items"]],
    }


def said(message):
    return {
        "from": message.get("from", {}).get("nickname"),
        "kind": message.get("kind"),
        "text": message.get("text"),
    }


READ = {
    "genesys.gws.agent.state_change.v1": agent_state,
    "genesys.gws.chat.transcript.v1": chat_transcript,
}


def validators(folder):
    """By `dataschema`. A schema describes the whole envelope in JSON; of binary mode only `data` is JSON."""
    found = {}
    for path in pathlib.Path(folder).glob("*.json"):
        schema = json.loads(path.read_text(encoding="utf-8"))
        found[schema["$id"]] = Draft202012Validator(schema["properties"]["data"])
    return found


def problem(schemas, event):
    """What is wrong with an event, or None."""
    schema = schemas.get(event.get_dataschema())
    if schema is None:
        return f"no schema {event.get_dataschema()}"
    first = next(schema.iter_errors(event.get_data()), None)
    return first and f"data{first.json_path[1:]}: {first.message}"


def line(schemas, message, seen):
    """What to print of a record, or None."""
    headers = {name: value for name, value in message.headers() or [] if value is not None}
    try:
        event = from_kafka_event(KafkaMessage(headers, message.key(), message.value()))
    except Exception as failure:  # whatever the SDK makes of it, it is no event
        return {"problem": f"no CloudEvent: {failure}", "partition": message.partition(), "offset": message.offset()}
    told = READ.get(event.get_type())
    # An event can come again, under the same id.
    if told is None or event.get_id() in seen:
        return None
    wrong = problem(schemas, event)
    if wrong is not None:
        return {"problem": wrong, "id": event.get_id()}
    seen.add(event.get_id())
    return told(event, event.get_data()) | {"id": event.get_id(), "time": event.get_time().isoformat()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", action="append", required=True)
    parser.add_argument("--schemas", required=True, help="a folder with what `cometbridge schema NAME` prints")
    parser.add_argument("--group", default="example-python")
    parser.add_argument("--records", type=int, help="end after so many records; else never")
    args = parser.parse_args()

    schemas = validators(args.schemas)
    consumer = Consumer({
        "bootstrap.servers": args.brokers,
        "group.id": args.group,
        "auto.offset.reset": "earliest",
    })
    consumer.subscribe(args.topic)
    records, problems, seen = 0, 0, set()
    try:
        while args.records is None or records < args.records:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            records += 1
            told = line(schemas, message, seen)
            if told is not None:
                problems += "problem" in told
                print(json.dumps(told, ensure_ascii=False), flush=True)
    finally:
        consumer.close()
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
