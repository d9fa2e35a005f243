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
"""Do the manifests agree with each other? Writes the files of the pod into the work directory."""
import csv, io, pathlib, sys, tomllib
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


def files(value):
    """Every path of a { file = … }."""
    if isinstance(value, dict):
        if isinstance(value.get("file"), str):
            yield value["file"]
        demand("env" not in value, f"configmap.yaml: {value}: the pod is given no secret in its environment")
        for inner in value.values():
            yield from files(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from files(inner)


mounts = {mount["name"]: mount["mountPath"] for mount in main["volumeMounts"]}
volumes = {volume["name"]: volume for volume in pod["volumes"]}
secret = volumes["secrets"]["secret"]
demand(secret["secretName"] in secrets, f"statefulset.yaml: Secret {secret['secretName']} is not in secret.example.yaml")
demand(secret["defaultMode"] in (0o400, 0o440) and pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsGroup"],
       "statefulset.yaml: the user could not read the Secret's files, or others could")
given = secrets.get(secret["secretName"], {})
wanted = set(files(toml)) - {f"{mounts['config']}/agents.csv"}
there = {f"{mounts['secrets']}/{key}" for key in given}
demand(wanted == there, f"named in the configuration but not in the Secret, or back: {wanted ^ there}")
demand(volumes["config"]["configMap"]["name"] == config["metadata"]["name"], "statefulset.yaml mounts another ConfigMap")
passwords = {user for user, _ in csv.reader(io.StringIO(given["agents-passwords.csv"]))}
demand({line["username"] for line in roster} == passwords, "roster and passwords do not name the same users")

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

# The same files as in the pod, below the work directory.
text = config["data"]["cometbridge.toml"]
for path in (toml["state_dir"], mounts["secrets"], mounts["config"]):
    text = text.replace(f'"{path}', f'"{work}/pod{path}')
    (work / "pod").joinpath(path.lstrip("/")).mkdir(mode=0o700, parents=True)
for directory, contents in ((mounts["config"], config["data"] | {"cometbridge.toml": text}), (mounts["secrets"], given)):
    for name, content in contents.items():
        file = work / "pod" / directory.lstrip("/") / name
        file.write_text(content)
        file.chmod(0o600)

for fault in faults:
    print(f"kubernetes: {fault}", file=sys.stderr)
sys.exit(1 if faults else 0)
PYTHON

if [[ $# == 1 ]]; then
    binary=$(realpath -e -- "$1") || fail "$1 is not there: build it first (cargo build)"
    env -i PATH="$PATH" HOME="$work" "$binary" check --config "$work/pod/etc/cometbridge/cometbridge.toml" >"$work/said" 2>&1 ||
        fail "cometbridge check refuses the configuration of configmap.yaml: $(<"$work/said")"
fi
printf 'kubernetes: ok\n'
