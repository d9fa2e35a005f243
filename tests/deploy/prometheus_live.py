#!/usr/bin/env python3
"""Checks the dashboard and the alerts against the metrics of a running cometbridge, by means of a real Prometheus.

    prometheus_live.py HOST:PORT [--token-file FILE] [--prometheus PROGRAM]

Starts Prometheus on a free port of loopback with a directory of its own, scrapes HOST:PORT every second until `up` is 1,
and sends every expression of deploy/grafana/cometbridge.json and deploy/prometheus/alerts.yml through its HTTP API. It fails
on each that Prometheus refuses, and on each metric named there that the service's /metrics does not list (the
service shows every series at zero from its first scrape on). Ends with `N passed, M failed`.

    prometheus_live.py --rules METRICS_RS... > rules.yml

Needs no service: writes the expressions of the dashboard as recording rules, for promtool, and fails where the dashboard or
the alerts name a metric that METRICS_RS does not declare, or where the dashboard leaves one out.

Python's standard library is all it needs.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "deploy/grafana/cometbridge.json"
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
NAME = re.compile(r"\bcometbridge_[a-z0-9_]+")
# How long to wait for a process to do what it does within a second where the machine is idle.
PATIENCE = 60


def metrics_in(text):
    """The metrics named in an expression, without the suffixes of a histogram's series."""
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAME.findall(text)}


def substitute(expression):
    """The expression as Grafana would send it."""
    for variable, value in (
        ("$__rate_interval", "5m"), ("$__range", "1h"), ("$__interval", "1m"),
        ("$instance", ".*"), ("$site", ".*"), ("$sink", ".*"),
    ):
        expression = expression.replace(variable, value)
    if "$" in expression:
        raise SystemExit(f"dashboard: a variable that is not known here: {expression}")
    return expression


def dashboard():
    """(title of the panel, expression) for every query, those of the variables as `title (variable)`."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    found = []
    for variable in board["templating"]["list"]:
        match = re.fullmatch(r"label_values\((.+), \w+\)", variable.get("definition", ""))
        if match:
            found.append((f"{variable['name']} (variable)", match[1]))
    for panel in board["panels"]:
        if panel["type"] != "row" and not panel["targets"]:
            raise SystemExit(f"dashboard: panel {panel['title']} asks nothing")
        found.extend((panel["title"], substitute(target["expr"])) for target in panel.get("targets", []))
    if len({panel["id"] for panel in board["panels"]}) != len(board["panels"]):
        raise SystemExit("dashboard: two panels have one id")
    return found


def declared(source):
    """The metrics that metrics.rs declares, with the prefix."""
    text = source.read_text(encoding="utf-8").split("#[cfg(test)]")[0]
    names = re.findall(r"\b(?:float_)?(?:counters?|gauges?|histograms?)\(\s*&r,\s*\"([a-z0-9_]+)\"", text)
    if not names:
        raise SystemExit(f"{source}: no metric found: is it still written the same way?")
    return {f"cometbridge_{name}" for name in names}


def rules(sources):
    names = set().union(*(declared(source) for source in sources))
    queries = dashboard()
    shown = set().union(*(metrics_in(expression) for _, expression in queries))
    faults = [f"dashboard: {name} is no metric of the service" for name in sorted(shown - names)]
    faults += [f"dashboard: {name} stands in no panel" for name in sorted(names - shown)]
    faults += [f"alerts: {name} is no metric of the service" for name in sorted(metrics_in(ALERTS.read_text()) - names)]
    print("groups:\n  - name: dashboard\n    rules:")
    for number, (_, expression) in enumerate(queries):
        print(f"      - record: dashboard:query:{number}\n        expr: {json.dumps(expression)}")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


class Prometheus:
    """A Prometheus of our own; as a context it is ended by its process id."""

    def __init__(self, program, target, token_file):
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="cometbridge-prometheus-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        job = {"job_name": "cometbridge", "static_configs": [{"targets": [target]}]}
        if token_file:
            job["authorization"] = {"credentials_file": str(pathlib.Path(token_file).resolve())}
        # JSON is YAML.
        (self.work / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [job],
        }))
        self.log = open(self.work / "log", "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [program, f"--config.file={self.work}/prometheus.yml", f"--storage.tsdb.path={self.work}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"],
            stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()
        shutil.rmtree(self.work, ignore_errors=True)

    def ask(self, path, **parameters):
        """The `data` of an answer; ValueError with Prometheus' own words where it refuses."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
                answer = json.load(reply)
        except urllib.error.HTTPError as error:
            raise ValueError(error.read().decode(errors="replace")) from error
        if answer["status"] != "success":
            raise ValueError(str(answer))
        return answer["data"]

    def wait_for(self, what, condition):
        """Asks again and again until `condition` gives something true, which it returns."""
        deadline = time.monotonic() + PATIENCE
        last = "nothing yet"
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.log.seek(0)
                raise SystemExit(f"Prometheus ended with {self.process.returncode}: {self.log.read()[-2000:]}")
            try:
                found = condition()
                if found:
                    return found
            except (ValueError, urllib.error.URLError, ConnectionError) as error:
                last = str(error)
            time.sleep(0.1)
        raise SystemExit(f"no {what} within {PATIENCE} s: {last}; {self.targets()}")

    def targets(self):
        try:
            return [(target["scrapeUrl"], target["health"], target["lastError"])
                    for target in self.ask("targets")["activeTargets"]]
        except (ValueError, urllib.error.URLError, ConnectionError):
            return "its targets are not known"


def exposed(target, token_file):
    """The metrics that the service lists with a HELP line."""
    request = urllib.request.Request(f"http://{target}/metrics")
    if token_file:
        request.add_header("Authorization", "Bearer " + pathlib.Path(token_file).read_text().strip())
    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
        text = reply.read().decode()
    return {line.split(" ", 3)[2] for line in text.splitlines() if line.startswith("# HELP ")}


def live(options):
    faults, passed = [], 0
    with Prometheus(options.prometheus, options.target, options.token_file) as server:
        server.wait_for("scrape of " + options.target, lambda: any(
            sample["value"][1] == "1" for sample in server.ask("query", query='up{job="cometbridge"}')["result"]))
        groups = server.wait_for("evaluation of the alerts", lambda: (
            lambda found: found if found and all(
                rule["health"] != "unknown" for group in found for rule in group["rules"]) else None
        )(server.ask("rules")["groups"]))
        alerts = [rule for group in groups for rule in group["rules"]]
        names = exposed(options.target, options.token_file)
        queries = dashboard() + [(rule["name"], rule["query"]) for rule in alerts]
        for title, expression in queries:
            try:
                server.ask("query", query=expression)
                absent = sorted(metrics_in(expression) - names)
                if absent:
                    raise ValueError(f"{options.target} does not expose {', '.join(absent)}")
                passed += 1
            except ValueError as fault:
                faults.append(f"{title}: {fault}: {expression}")
        for rule in alerts:
            texts = [text for alert in rule["alerts"] for text in alert["annotations"].values()]
            if rule["health"] != "ok" or any("error expanding template" in text for text in texts):
                faults.append(f"{rule['name']}: {rule['health']} {rule.get('lastError', '')} {texts}")
            else:
                passed += 1
        states = server.ask("query", query="count by (state) (cometbridge_sessions)")["result"]
        if states and not any(sample["metric"].get("state") == "connected" for sample in states):
            faults.append("cometbridge_sessions has no state \"connected\", on which dashboard and alerts rely")
        print(f"{len(queries)} expressions, {len(alerts)} alerts; firing or pending: "
              f"{', '.join(sorted({rule['name'] for rule in alerts if rule['alerts']})) or 'none'}")
    for fault in faults:
        print(f"FAILED {fault}")
    print(f"{passed} passed, {len(faults)} failed")
    return 1 if faults else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", metavar="HOST:PORT")
    parser.add_argument("--rules", metavar="METRICS_RS", type=pathlib.Path, nargs="+")
    parser.add_argument("--token-file")
    parser.add_argument("--prometheus", default=os.environ.get("PROMETHEUS", "prometheus"))
    options = parser.parse_args()
    if (options.rules is None) == (options.target is None):
        parser.error("either HOST:PORT or --rules")
    if options.rules:
        return rules(options.rules)
    if shutil.which(options.prometheus) is None:
        raise SystemExit("prometheus is missing: run tests/peers/setup.sh")
    return live(options)


if __name__ == "__main__":
    sys.exit(main())
