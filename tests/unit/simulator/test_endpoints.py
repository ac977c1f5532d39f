import orjson
import pytest

from relay.errors import Undecipherable
from relay.simulator.endpoints import ENDPOINTS, order_at

BODIES = {
    "tickets/create_many": {"tickets": [{"subject": "a"}, {"subject": "b"}]},
    "imports/tickets/create_many": {"tickets": [{"subject": "a"}, {"subject": "b"}]},
    "users/create_many": {"users": [{"name": "a"}, {"name": "b"}]},
    "users/create_or_update_many": {"users": [{"name": "a"}, {"id": 2}]},
    "organizations/create_many": {"organizations": [{"name": "a"}, {"name": "b"}]},
    "organization_memberships/create_many": {"organization_memberships": [{"user_id": 1}, {"user_id": 2}]},
    "group_memberships/create_many": {"group_memberships": [{"user_id": 1}, {"user_id": 2}]},
    "tickets/*/merge": {"ids": [1, 2]},
    "custom_objects/*/jobs": {"job": {"action": "create", "items": [{"name": "a"}, {"name": "b"}]}},
    "resource_collections": {"payload": {"triggers": {"a": {}}, "ticket_fields": {"b": {}}}},
    "resource_collections/*": {"payload": {"triggers": {"a": {}, "b": {}}}},
}
ONE = {("DELETE", "deleted_tickets/*"), ("DELETE", "resource_collections/*")}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_every_endpoint_counts_the_items_it_is_given(endpoint):
    query = {"ids": "1,2"} if endpoint.path not in BODIES else {}
    body = orjson.dumps(BODIES.get(endpoint.path, {}))
    order = order_at(endpoint.method, endpoint.path.replace("*", "35436"), query, body)
    assert len(order.item_ids) == (1 if (endpoint.method, endpoint.path) in ONE else 2)


def test_ids_come_from_the_query_the_objects_or_the_path():
    assert order_at("PUT", "tickets/update_many", {"ids": "1,2"}, b'{"ticket":{}}').item_ids == [1, 2]
    assert order_at("PUT", "tickets/update_many", {}, b'{"tickets":[{"id":8},{}]}').item_ids == [8, None]
    assert order_at("DELETE", "users/destroy_many", {"external_ids": "a,b"}, b"").item_ids == ["a", "b"]
    assert order_at("DELETE", "deleted_tickets/77", {}, b"").item_ids == [77]


def test_the_action_decides_the_kind_of_a_custom_object_job():
    def kind(action):
        body = orjson.dumps({"job": {"action": action, "items": ["a"]}})
        return order_at("POST", "custom_objects/car/jobs", {}, body).kind.name

    assert kind("create") == "create_custom_object_records"
    assert kind("delete_by_external_id") == "delete_custom_object_records"


@pytest.mark.parametrize(("method", "path"), [("GET", "tickets/create_many"), ("POST", "tickets"), ("PUT", "x")])
def test_what_queues_no_job_is_no_endpoint(method, path):
    assert order_at(method, path, {}, b"") is None


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(Undecipherable):
        order_at("POST", "tickets/create_many", {}, body)


@pytest.mark.parametrize("body", [b"{}", b'{"job":1}', b'{"job":{"action":"explode","items":[]}}'])
def test_a_custom_object_job_without_a_known_action_is_refused(body):
    with pytest.raises(Undecipherable):
        order_at("POST", "custom_objects/car/jobs", {}, body)
