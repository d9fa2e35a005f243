#!/usr/bin/env bash
# kubernetes.sh [BINARY]: the manifests are valid (strictly, for the oldest and the newest version that is claimed), agree
# with each other and, with BINARY given, hold a configuration that `cometbridge check` accepts.
# The tools come with tests/peers/setup.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
manifests=$root/deploy/kubernetes
cache=${COMETBRIDGE_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/cometbridge/peers}
tools=$cache/python/bin

fail() {
    printf 'kubernetes: %s\n' "$*" >&2
    exit 1
}

[[ $# -le 1 ]] || fail "usage: $0 [BINARY]"
[[ -x $tools/kubernetes-validate ]] || fail "kubernetes-validate is missing: run tests/peers/setup.sh"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

files=("$manifests"/*.yaml)
resources=()
for file in "${files[@]}"; do
    # Kustomization is kustomize's own kind and in no schema of the API server; it is checked below.
    [[ $file == */kustomization.yaml ]] || resources+=("$file")
done
for version in 1.27 1.37; do
    "$tools/kubernetes-validate" --strict --quiet -k "$version" "${resources[@]}" >"$work/said" 2>&1 ||
        fail "not valid for Kubernetes $version: $(<"$work/said")"
done

# The check itself must be able to fail.
sed 's/readOnlyRootFilesystem/readOnlyRootFilesytem/' "$manifests/statefulset.yaml" >"$work/bad.yaml"
if "$tools/kubernetes-validate" --strict --quiet "$work/bad.yaml" >/dev/null 2>&1; then
    fail "kubernetes-validate accepts a misspelt key: it checks nothing here"
fi

"$tools/python" - "$root" "$work" <<'PYTHON'
"""Do the manifests agree with each other? Writes the configuration and the environment of the pod into the work directory."""
import csv, io, pathlib, shlex, sys, tomllib
import yaml

root, work = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
here = root / "deploy/kubernetes"
faults = []


def demand(truth, fault):
    if not truth:
        faults.append(fault)


def documents(name):
    return [document for document in yaml.safe_load_all((here / name).read_text()) if document]


listed = documents("kustomization.yaml")[0]
names = {path.name for path in here.glob("*.yaml")}
demand(set(listed["resources"]) == names - {"kustomization.yaml", "secret.example.yaml"},
       "kustomization.yaml must list every manifest but the example of the Secrets")
version = tomllib.loads((root / "Cargo.toml").read_text())["package"]["version"]
demand(listed["images"][0]["newTag"] == version, f"kustomization.yaml: newTag is not {version}")

secrets = {secret["metadata"]["name"]: secret["stringData"] for secret in documents("secret.example.yaml")}
config = documents("configmap.yaml")[0]
toml = tomllib.loads(config["data"]["cometbridge.toml"])
roster = list(csv.DictReader(io.StringIO(config["data"]["agents.csv"])))
stateful = documents("statefulset.yaml")[0]
pod = stateful["spec"]["template"]["spec"]
main = pod["containers"][0]


def references(value):
    """Every { env = … }, and faults for what can not be read from a Secret volume."""
    if isinstance(value, dict):
        if set(value) == {"env"}:
            yield value["env"]
        demand(set(value) != {"file"} or "agents.csv" in str(value),
               f"configmap.yaml: {value} as a secret's place: it would be refused, use env")
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


given = {}
for source in main["envFrom"]:
    name = source["secretRef"]["name"]
    demand(name in secrets, f"statefulset.yaml: Secret {name} is not in secret.example.yaml")
    given.update(secrets.get(name, {}))
wanted = set(references(toml)) | {line["password_env"] for line in roster}
demand(wanted == set(given), f"named in the configuration but not in the Secrets, or back: {wanted ^ set(given)}")
demand(not any(name.startswith("COMETBRIDGE__") for name in given), "a Secret's key would set a configuration key")

demand(stateful["spec"]["replicas"] == 1, "statefulset.yaml: one replica only")
images = {container["image"] for container in pod["containers"] + pod["initContainers"]}
demand(images == {f"cometbridge:{version}"}, f"statefulset.yaml: images {images}, not cometbridge:{version}")
state = next(mount["mountPath"] for mount in main["volumeMounts"] if mount["name"] == "state")
demand(toml["state_dir"] == f"{state}/state", "state_dir must be the directory state/ in the volume")
demand(toml["state_dir"] in pod["initContainers"][0]["command"][-1], "the init container makes another state directory")
port = int(toml["admin"]["listen"].rsplit(":", 1)[1])
demand({entry["containerPort"] for entry in main["ports"]} == {port}, f"statefulset.yaml: the port is not {port}")
for service in documents("service.yaml"):
    demand(service["spec"]["selector"].items() <= stateful["spec"]["template"]["metadata"]["labels"].items(),
           f"Service {service['metadata']['name']} selects other pods")
    demand({entry["port"] for entry in service["spec"]["ports"]} == {port}, "service.yaml: another port")
demand(stateful["spec"]["serviceName"] in [s["metadata"]["name"] for s in documents("service.yaml")], "serviceName")
for probe, path in {"startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz"}.items():
    demand(main[probe]["httpGet"] == {"path": path, "port": "admin"}, f"{probe} must ask {path}")
demand(pod["terminationGracePeriodSeconds"] > 25, "the grace must be longer than the sinks' own")

(work / "state").mkdir(mode=0o700)
text = config["data"]["cometbridge.toml"].replace("/etc/cometbridge/agents.csv", str(work / "agents.csv"))
(work / "cometbridge.toml").write_text(text.replace(toml["state_dir"], str(work / "state")))
(work / "agents.csv").write_text(config["data"]["agents.csv"])
(work / "environment").write_text("".join(f"export {key}={shlex.quote(value)}\n" for key, value in given.items()))

for fault in faults:
    print(f"kubernetes: {fault}", file=sys.stderr)
sys.exit(1 if faults else 0)
PYTHON

if [[ $# == 1 ]]; then
    binary=$(realpath -e -- "$1") || fail "$1 is not there: build it first (cargo build)"
    # In the environment that the pod would have, secrets of the example included.
    # shellcheck disable=SC2016 # the inner shell expands it
    env -i PATH="$PATH" HOME="$work" bash -euc '. "$1"; exec "$2" check --config "$3"' _ \
        "$work/environment" "$binary" "$work/cometbridge.toml" >"$work/said" 2>&1 ||
        fail "cometbridge check refuses the configuration of configmap.yaml: $(<"$work/said")"
fi
printf 'kubernetes: ok\n'
