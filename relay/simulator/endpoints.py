"""Zendesk's endpoints that queue a background job, from its endpoint list: method, path, kind of job, its items."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from relay.errors import Undecipherable
from relay.simulator.kinds import KINDS, JobKind

ITEMS_MAX = 100

ItemIds = list[int | str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """The parts of a request that say what is to be worked on. `resource`: the variable segment of the path."""

    resource: str
    query: Mapping[str, str]
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOrder:
    """A job to queue. An item that has no id yet is None."""

    kind: JobKind
    item_ids: ItemIds


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`path`: below /api/v2, with `*` for one variable segment."""

    method: str
    path: str
    order: Callable[[Submission], JobOrder]


def order_at(method: str, path: str, query: Mapping[str, str], body: bytes) -> JobOrder | None:
    """What the endpoint at `path` (below /api/v2, without `.json`) is told to do; None: there is no such endpoint.

    Raises Undecipherable: the body is not what the endpoint takes.
    """
    for endpoint, pattern in _PATTERNS:
        match = pattern.fullmatch(path) if endpoint.method == method else None
        if match:
            resource = match[1] if pattern.groups else ""
            return endpoint.order(Submission(resource=resource, query=query, document=_document(body)))
    return None


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise Undecipherable("Server could not parse JSON") from error
    if not isinstance(document, dict):
        raise Undecipherable("The body must be a JSON object")
    return document


def _items(value: object) -> ItemIds:
    """The ids of a list of objects, of a list of ids or of a comma-separated text; anything else has none."""
    if isinstance(value, str):
        return [int(part) if part.isdecimal() else part for part in value.split(",") if part]
    if not isinstance(value, list):
        return []
    ids = [item.get("id") if isinstance(item, dict) else item for item in value]
    return [item_id if isinstance(item_id, int | str) else None for item_id in ids]


def _many(kind: str, collection: str) -> Callable[[Submission], JobOrder]:
    """Ids in the query, or a list of objects in the body."""

    def order(submission: Submission) -> JobOrder:
        named = submission.query.get("ids") or submission.query.get("external_ids")
        return JobOrder(kind=KINDS[kind], item_ids=_items(named or submission.document.get(collection)))

    return order


def _one(kind: str) -> Callable[[Submission], JobOrder]:
    """The one thing that the path names."""
    return lambda submission: JobOrder(kind=KINDS[kind], item_ids=_items(submission.resource))


def _records(submission: Submission) -> JobOrder:
    """Custom object records: `{"job": {"action", "items"}}`."""
    job = submission.document.get("job")
    if not isinstance(job, dict):
        raise Undecipherable("job is missing")
    action = str(job.get("action", "")).partition("_")[0]  # delete_by_external_id, create_or_update_by_…
    kind = KINDS.get(f"{action}_custom_object_records")
    if kind is None:
        raise Undecipherable("job.action is not one of create, update, delete")
    return JobOrder(kind=kind, item_ids=_items(job.get("items")))


def _resources(kind: str) -> Callable[[Submission], JobOrder]:
    """A resource collection: `{"payload": {"ticket_fields": {…}, "triggers": {…}}}`."""

    def order(submission: Submission) -> JobOrder:
        payload = submission.document.get("payload")
        groups = payload.values() if isinstance(payload, dict) else ()
        return JobOrder(
            kind=KINDS[kind], item_ids=[None] * sum(len(group) for group in groups if isinstance(group, dict))
        )

    return order


ENDPOINTS = (
    Endpoint(method="POST", path="tickets/create_many", order=_many("create_tickets", "tickets")),
    Endpoint(method="PUT", path="tickets/update_many", order=_many("update_tickets", "tickets")),
    Endpoint(method="DELETE", path="tickets/destroy_many", order=_many("delete_tickets", "ids")),
    Endpoint(method="PUT", path="tickets/mark_many_as_spam", order=_many("mark_tickets_as_spam", "ids")),
    Endpoint(method="POST", path="tickets/*/merge", order=_many("merge_tickets", "ids")),
    Endpoint(method="POST", path="imports/tickets/create_many", order=_many("import_tickets", "tickets")),
    Endpoint(method="DELETE", path="deleted_tickets/destroy_many", order=_many("permanently_delete_tickets", "ids")),
    Endpoint(method="DELETE", path="deleted_tickets/*", order=_one("permanently_delete_tickets")),
    Endpoint(method="POST", path="users/create_many", order=_many("create_users", "users")),
    Endpoint(method="POST", path="users/create_or_update_many", order=_many("create_or_update_users", "users")),
    Endpoint(method="PUT", path="users/update_many", order=_many("update_users", "users")),
    Endpoint(method="DELETE", path="users/destroy_many", order=_many("delete_users", "ids")),
    Endpoint(method="POST", path="organizations/create_many", order=_many("create_organizations", "organizations")),
    Endpoint(method="PUT", path="organizations/update_many", order=_many("update_organizations", "organizations")),
    Endpoint(method="DELETE", path="organizations/destroy_many", order=_many("delete_organizations", "ids")),
    Endpoint(
        method="POST",
        path="organization_memberships/create_many",
        order=_many("create_organization_memberships", "organization_memberships"),
    ),
    Endpoint(
        method="DELETE",
        path="organization_memberships/destroy_many",
        order=_many("delete_organization_memberships", "ids"),
    ),
    Endpoint(
        method="POST",
        path="group_memberships/create_many",
        order=_many("create_group_memberships", "group_memberships"),
    ),
    Endpoint(method="DELETE", path="group_memberships/destroy_many", order=_many("delete_group_memberships", "ids")),
    Endpoint(method="POST", path="custom_objects/*/jobs", order=_records),
    Endpoint(method="POST", path="resource_collections", order=_resources("create_resources")),
    Endpoint(method="PUT", path="resource_collections/*", order=_resources("update_resources")),
    Endpoint(method="DELETE", path="resource_collections/*", order=_one("delete_resources")),
)

_PATTERNS = tuple((endpoint, re.compile(endpoint.path.replace("*", "([^/]+)"))) for endpoint in ENDPOINTS)
