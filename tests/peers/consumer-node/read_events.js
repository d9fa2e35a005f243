// An example consumer: reads agent states and chat transcripts from Kafka, checks each against its JSON Schema, and
// prints a line of JSON for each.
//
//     cometbridge schema agent.state_change > schemas/agent.state_change.json
//     cometbridge schema chat.transcript > schemas/chat.transcript.json
//     npm install ajv ajv-formats cloudevents kafkajs lz4js
//     node read_events.js --brokers kafka-1:9092 --topic gws.agent-state --topic gws.content --schemas schemas
//
// Both modes of the sink are understood. What is no such event, or does not fit its schema, is printed with its `problem`.
// With --records it ends after so many records, with exit code 1 where one had a problem. Deliberately absent: logins to
// Kafka, and keeping the ids that were seen beyond the end of the process.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");
const { parseArgs } = require("node:util");

// Where the packages are installed; beside this file unless told otherwise.
const load = createRequire(path.join(process.env.CONSUMER_NODE_MODULES || __dirname, "package.json"));
const Ajv = load("ajv/dist/2020").default;
const addFormats = load("ajv-formats").default;
const { Kafka: Binding } = load("cloudevents");
const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = load("kafkajs");
const lz4 = load("lz4js");

// Records come compressed with LZ4, which KafkaJS leaves to others.
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => Buffer.from(lz4.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
});

function agentState(event) {
  const user = event.data.userState ?? {};
  return {
    event: "agent state",
    agent: event.agent,
    channel: event.data.channel ?? null,
    device: event.data.deviceId ?? null,
    state: user.state ?? null,
    reason: user.reason ?? null,
  };
}

function chatTranscript(event) {
  return {
    event: "chat transcript",
    conversation: event.data.interactionId,
    // In binary mode every attribute is text.
    revision: Number(event.revision ?? 1),
    // A word, not a boolean: only "true" says that nothing is missing.
    complete: event.data.complete,
    reasons: event.data.reasons ?? [],
    messages: event.data.items.map(({ message }) => ({
      from: message.from?.nickname ?? null,
      kind: message.kind ?? null,
      text: message.text ?? null,
    })),
  };
}

const READ = {
  "genesys.gws.agent.state_change.v1": agentState,
  "genesys.gws.chat.transcript.v1": chatTranscript,
};

// By `dataschema`. A schema describes the whole envelope in JSON; of binary mode only `data` is JSON.
function validators(folder) {
  const ajv = addFormats(new Ajv());
  const files = fs.readdirSync(folder).filter((file) => file.endsWith(".json"));
  const schemas = files.map((file) => JSON.parse(fs.readFileSync(path.join(folder, file), "utf8")));
  return new Map(schemas.map((schema) => [schema.$id, ajv.compile(schema.properties.data)]));
}

// What is wrong with an event, or undefined.
function problem(schemas, event) {
  const fits = schemas.get(event.dataschema);
  if (!fits) {
    return `no schema ${event.dataschema}`;
  }
  if (!fits(event.data)) {
    return `data${fits.errors[0].instancePath}: ${fits.errors[0].message}`;
  }
  return undefined;
}

// What to print of a record, or undefined.
function line(schemas, partition, message, seen) {
  const text = (bytes) => bytes?.toString("utf8");
  let event;
  try {
    const headers = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name, text(value)]));
    event = Binding.toEvent({ headers, key: text(message.key), value: text(message.value) });
    event.validate();
  } catch (failure) {
    return { problem: `no CloudEvent: ${failure.message}`, partition, offset: Number(message.offset) };
  }
  const told = READ[event.type];
  // An event can come again, under the same id.
  if (!told || seen.has(event.id)) {
    return undefined;
  }
  const wrong = problem(schemas, event);
  if (wrong) {
    return { problem: wrong, id: event.id };
  }
  seen.add(event.id);
  return { ...told(event), id: event.id, time: event.time };
}

async function main() {
  const { values } = parseArgs({
    options: {
      brokers: { type: "string" },
      topic: { type: "string", multiple: true },
      schemas: { type: "string" },
      group: { type: "string", default: "example-node" },
      // Ends after so many records; else never.
      records: { type: "string" },
    },
  });
  const schemas = validators(values.schemas);
  const kafka = new Kafka({ brokers: values.brokers.split(","), logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({ groupId: values.group });
  const limit = values.records === undefined ? Infinity : Number(values.records);
  const seen = new Set();
  let [records, problems] = [0, 0];
  await consumer.connect();
  await consumer.subscribe({ topics: values.topic, fromBeginning: true });
  await new Promise((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    const eachMessage = async ({ partition, message }) => {
      records += 1;
      if (records > limit) {
        return;
      }
      const told = line(schemas, partition, message, seen);
      if (told) {
        problems += "problem" in told ? 1 : 0;
        console.log(JSON.stringify(told));
      }
      if (records === limit) {
        resolve();
      }
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  process.exitCode = problems > 0 ? 1 : 0;
}

main().catch((failure) => {
  console.error(failure);
  process.exitCode = 1;
});
