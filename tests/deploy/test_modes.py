"""What the modes differ in, and what the values change."""

import json
from pathlib import Path

import pytest
import yaml
from deploy.rendering import CHART, configuration, containers, one, pod, workload

ALERTS = sorted((CHART / "files" / "alerts").glob("*.yaml"))
DASHBOARDS = sorted((CHART / "files" / "dashboards").glob("*.json"))


def kinds(manifests):
    return {manifest["kind"] for manifest in manifests}


def data_volume(manifests):
    return next(volume for volume in pod(manifests)["volumes"] if volume["name"] == "data")


def test_embedded_is_one_pod_on_a_claim_that_outlives_the_installation(render):
    manifests = render("embedded-minimal")
    stateful = one(manifests, "StatefulSet")["spec"]
    assert stateful["replicas"] == 1
    assert stateful["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert [claim["metadata"]["name"] for claim in stateful["volumeClaimTemplates"]] == ["data"]
    assert "lifecycle" not in containers(pod(manifests))[0]
    assert kinds(manifests) == {"ConfigMap", "Service", "ServiceAccount", "StatefulSet"}


def test_a_claim_that_is_there_is_taken(render):
    manifests = render("embedded-minimal", storage={"existingClaim": "mine"})
    assert "volumeClaimTemplates" not in one(manifests, "StatefulSet")["spec"]
    assert data_volume(manifests)["persistentVolumeClaim"] == {"claimName": "mine"}


def test_with_kafka_pods_come_and_go_one_at_a_time_and_none_is_missed(render):
    manifests = render("kafka-production", replicas=5)
    deployment = one(manifests, "Deployment")["spec"]
    assert deployment["replicas"] == 5
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert one(manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert [each["topologyKey"] for each in pod(manifests)["topologySpreadConstraints"]] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]
    assert "StatefulSet" not in kinds(manifests)


def test_with_kafka_there_are_three_unless_somebody_says_otherwise(render):
    assert workload(render("kafka-production", replicas=None))["spec"]["replicas"] == 3


def test_copies_of_the_record_are_on_the_node_or_on_an_ephemeral_volume(render):
    manifests = render("kafka-gateway", storage={"size": "5Gi"})
    assert data_volume(manifests)["emptyDir"] == {"sizeLimit": "5Gi"}
    claim = data_volume(render("kafka-production"))["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert (claim["storageClassName"], claim["resources"]["requests"]["storage"]) == ("fast", "20Gi")


def test_whoever_autoscales_says_how_many(render):
    manifests = render("kafka-autoscaling")
    scaler = one(manifests, "HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == one(manifests, "Deployment")["metadata"]["name"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 12)
    assert "replicas" not in one(manifests, "Deployment")["spec"]


def test_a_drain_begins_when_traffic_has_learned_of_it(render):
    manifests = render("kafka-gateway", preStopSeconds=7)
    (container,) = containers(pod(manifests))
    assert container["lifecycle"]["preStop"]["exec"]["command"][-1] == "import time; time.sleep(7)"
    assert pod(manifests)["terminationGracePeriodSeconds"] == 40


def test_the_check_may_use_the_network(render):
    assert containers(pod(render("embedded-webhook")))[0]["args"] == ["check", "--offline"]
    assert containers(pod(render("embedded-webhook", check={"offline": False})))[0]["args"] == ["check"]
    assert len(containers(pod(render("embedded-webhook", check={"enabled": False})))) == 1


def test_a_record_is_moved_before_any_relay_starts(render):
    """By a job that runs first, with the new configuration and the former claim."""
    manifests = render("kafka-migration")
    job = one(manifests, "Job")
    first = [manifest for manifest in manifests if "helm.sh/hook" in manifest["metadata"].get("annotations", {})]
    assert [manifest["kind"] for manifest in first] == ["ConfigMap", "Job"]
    assert first[0]["data"] == {"config.yaml": configuration(manifests)}
    assert [manifest["metadata"]["annotations"]["helm.sh/hook-weight"] for manifest in first] == ["0", "1"]
    volumes = {volume["name"]: volume for volume in job["spec"]["template"]["spec"]["volumes"]}
    assert volumes["from"]["persistentVolumeClaim"] == {"claimName": "data-relay-0"}
    assert volumes["config"]["configMap"]["name"] == first[0]["metadata"]["name"]
    assert not one(manifests, "Service")["spec"]["selector"].items() <= (
        job["spec"]["template"]["metadata"]["labels"].items()
    )


def test_an_image_is_named_by_tag_or_digest(render):
    digest = "sha256:" + "0" * 64

    def image(**values):
        return containers(pod(render("embedded-minimal", image=values)))[0]["image"].removeprefix(
            "registry.example.com/relay"
        )

    assert image() == ":" + yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    assert image(tag="main") == ":main"
    assert image(tag="main", digest=digest) == f"@{digest}"


def open_ports(rules):
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_the_network_policy_lets_in_whom_it_names_and_out_to_what_relay_needs(render):
    policy = one(render("kafka-production"), "NetworkPolicy")["spec"]
    clients, monitoring = policy["ingress"]
    assert (clients["ports"][0]["port"], clients["from"]) == ("http", [{"podSelector": {}}])
    assert (monitoring["ports"][0]["port"], len(monitoring["from"])) == ("metrics", 1)
    assert open_ports(policy["egress"]) == {53, 443, 9093}
    https = next(rule for rule in policy["egress"] if rule["ports"][0]["port"] == 443)
    assert [peer["ipBlock"]["except"] for peer in https["to"]] == [["169.254.0.0/16"], ["fe80::/10"]]


@pytest.mark.parametrize(
    ("servers", "ports"),
    [("a:9092,b:9093, a:9092", {9092, 9093}), (["a:19092", "b:19092"], {19092})],
    ids=["text", "list"],
)
def test_the_network_policy_knows_the_brokers_ports(render, servers, ports):
    policy = one(render("kafka-autoscaling", config={"kafka": {"bootstrap_servers": servers}}), "NetworkPolicy")["spec"]
    assert open_ports(policy["egress"]) == {53, 443} | ports
    assert all("from" not in rule for rule in policy["ingress"])


def test_without_kafka_the_network_policy_lets_nothing_out_to_it(render):
    policy = one(render("embedded-ingress"), "NetworkPolicy")["spec"]
    assert open_ports(policy["egress"]) == {53, 443}


@pytest.mark.parametrize("path", ALERTS, ids=lambda path: path.stem)
def test_rules_arrive_as_they_are_written(render, path: Path):
    manifests = {manifest["metadata"]["name"]: manifest for manifest in render("kafka-production")}
    rules = manifests[f"relay-{path.stem}"]
    assert rules["spec"] == yaml.safe_load(path.read_text())
    assert rules["metadata"]["labels"]["release"] == "monitoring"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_arrive_as_they_are_written(render, path: Path):
    manifests = {manifest["metadata"]["name"]: manifest for manifest in render("kafka-production")}
    dashboard = manifests[f"relay-dashboard-{path.stem}"]
    assert json.loads(dashboard["data"][path.name]) == json.loads(path.read_text())
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"] == {"grafana_folder": "Relay"}


def test_names_follow_the_release_and_can_be_chosen(render):
    names = {manifest["metadata"]["name"] for manifest in render("embedded-minimal", fullnameOverride="zendesk-jobs")}
    assert names == {"zendesk-jobs"}
