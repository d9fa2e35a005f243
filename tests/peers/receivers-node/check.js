// Checks what a sink sent with the libraries that consumers use: the npm packages standardwebhooks and cloudevents.
//
// JSON lines on stdin. {"headers":{},"body":"","secret":"whsec_..."}: an HTTP request, its signature verified where there
// is a secret, then parsed. {"key":"","headers":{},"value":""}: a Kafka record, parsed. Prints {"events":[...]} per line, or
// the first failure and exits 1.
"use strict";

const { createRequire } = require("node:module");
const modules = process.env.RECEIVERS_NODE_MODULES;
const load = createRequire(`${modules}/package.json`);
const { Webhook } = load("standardwebhooks");
const { HTTP, Kafka } = load("cloudevents");

function events(line) {
  if ("value" in line) {
    return [Kafka.toEvent({ key: line.key, headers: line.headers, value: line.value, body: line.value })];
  }
  if (line.secret) {
    new Webhook(line.secret).verify(line.body, line.headers);
  }
  return [].concat(HTTP.toEvent({ headers: line.headers, body: line.body }));
}

const text = require("node:fs").readFileSync(0, "utf8");
let number = 0;
for (const line of text.split("\n").filter((line) => line.trim() !== "")) {
  number += 1;
  try {
    const found = events(JSON.parse(line));
    for (const event of found) {
      event.validate();
    }
    const shown = found.map((event) => ({ id: event.id, type: event.type, source: event.source, data: event.data }));
    console.log(JSON.stringify({ events: shown }));
  } catch (failure) {
    console.log(`line ${number}: ${failure.name}: ${failure.message}`);
    process.exit(1);
  }
}
