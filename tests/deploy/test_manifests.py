"""What the chart makes of every example is what Kubernetes takes, and what the restricted profile allows.

Kubernetes' own kinds are validated strictly against the schemas of three of its versions; those of the Prometheus
operator and of the Gateway API against their published definitions, where unknown fields are refused as well.
"""

from functools import cache

import jsonschema
import kubernetes_validate
import pytest
from deploy.rendering import EXAMPLES, KUBERNETES, containers, one, pod, pods, workload

OWN_DEFINITIONS = {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}
ALLOWED_VOLUMES = {"configMap", "emptyDir", "ephemeral", "persistentVolumeClaim", "secret"}

pytestmark = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once():
    """Else each manifest takes half a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kubernetes_validate.utils, "schema_contents", cache(kubernetes_validate.utils.schema_contents))
        yield


@pytest.fixture
def manifests(helm, example):
    return helm.render(example)


def name_of(manifest):
    return manifest["kind"], manifest["metadata"]["name"]


@pytest.mark.parametrize("version", KUBERNETES)
def test_each_version_of_kubernetes_takes_every_manifest(manifests, version):
    own = [manifest for manifest in manifests if manifest["kind"] not in OWN_DEFINITIONS]
    assert own
    for manifest in own:
        kubernetes_validate.validate(manifest, version, strict=True)


def test_the_operators_take_every_manifest_of_their_kinds(manifests, schema):
    for manifest in manifests:
        if manifest["kind"] in OWN_DEFINITIONS:
            definition = schema(manifest["kind"])
            strict = strict_schema(definition["spec"]["versions"], manifest["apiVersion"])
            jsonschema.Draft202012Validator(strict).validate(manifest)


def strict_schema(versions, api_version):
    (found,) = (one for one in versions if api_version.endswith(f"/{one['name']}"))
    return closed(found["schema"]["openAPIV3Schema"])


def closed(schema):
    """The schema, in which an object has no other fields than those that are named."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("pattern"), str):
        found["pattern"] = schema["pattern"].replace("^(?i)", "(?i)^")  # Go's way to write it
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict):
        found.setdefault("additionalProperties", False)
    return found


def test_no_two_manifests_have_one_name_and_all_say_whose_they_are(manifests):
    assert len({name_of(manifest) for manifest in manifests}) == len(manifests)
    for manifest in manifests:
        assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == "relay"


def test_pods_keep_to_the_restricted_profile(manifests):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root."""
    for spec in pods(manifests):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= ALLOWED_VOLUMES
    for container in containers(*pods(manifests)):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


def test_every_mount_has_its_volume_and_every_volume_is_mounted(manifests):
    claims = workload(manifests)["spec"].get("volumeClaimTemplates", ())
    for spec in pods(manifests):
        volumes = {volume["name"] for volume in spec["volumes"]} | {claim["metadata"]["name"] for claim in claims}
        for container in containers(spec):
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_everything_that_selects_selects_the_pods(manifests):
    labels = workload(manifests)["spec"]["template"]["metadata"]["labels"].items()
    service = one(manifests, "Service")
    selectors = [service["spec"]["selector"], workload(manifests)["spec"]["selector"]["matchLabels"]]
    for kind, key in (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector")):
        selectors += [each["spec"][key]["matchLabels"] for each in manifests if each["kind"] == kind]
    for constraint in pod(manifests).get("topologySpreadConstraints", ()):
        selectors.append(constraint["labelSelector"]["matchLabels"])
    for selector in selectors:
        assert selector.items() <= labels
    for monitor in (each for each in manifests if each["kind"] == "ServiceMonitor"):
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


def test_every_port_that_is_named_is_a_port_of_the_pod(manifests):
    relay = pod(manifests)["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in relay["ports"]}
    service = {port["name"]: port for port in one(manifests, "Service")["spec"]["ports"]}
    assert {port["targetPort"] for port in service.values()} == set(ports)
    assert {relay[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")} == {
        "http"
    }
    for manifest in manifests:
        match manifest["kind"]:
            case "ServiceMonitor":
                assert {endpoint["port"] for endpoint in manifest["spec"]["endpoints"]} == {"metrics"}
            case "HTTPRoute":
                (rule,) = manifest["spec"]["rules"]
                assert rule["backendRefs"] == [{"name": "relay", "port": service["http"]["port"]}]
            case "Ingress":
                for rule in manifest["spec"]["rules"]:
                    backends = [path["backend"]["service"] for path in rule["http"]["paths"]]
                    assert all(backend == {"name": "relay", "port": {"name": "http"}} for backend in backends)


def test_what_needs_no_key_is_not_let_in_from_outside(manifests):
    """/metrics, /livez and /readyz stay in the cluster."""
    for manifest in manifests:
        if manifest["kind"] == "Ingress":
            paths = {path["path"] for rule in manifest["spec"]["rules"] for path in rule["http"]["paths"]}
        elif manifest["kind"] == "HTTPRoute":
            paths = {match["path"]["value"] for match in manifest["spec"]["rules"][0]["matches"]}
        else:
            continue
        assert paths == {"/v1", "/openapi.json"}


def test_helm_finds_no_fault_with_it(helm, example):
    assert "1 chart(s) linted, 0 chart(s) failed" in helm.lint(example)
