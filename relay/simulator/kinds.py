"""The kinds of background job, and how each speaks of itself: job type, messages, shape of its results."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Shape(StrEnum):
    """What `results` holds when the job has completed."""

    CREATED = "created"  # a list of {index,id,account_id} or {id,status}
    CHANGED = "changed"  # a list of {action,id,status,success}
    SUCCESS = "success"  # the object {success}; total and progress stay null


@dataclass(frozen=True, slots=True, kw_only=True)
class JobKind:
    """`noun` and `verb` make the message of a working job: "Creating ticket #19"."""

    name: str
    noun: str
    action: str
    verb: str
    job_type: str
    shape: Shape

    @property
    def item_status(self) -> str:
        """Zendesk's word for an item that went well."""
        return f"{self.action.capitalize()}d"


_VERBS = {"create": "Creating", "update": "Updating", "delete": "Deleting"}


def _kind(name: str, action: str, noun: str, shape: Shape | None = None) -> JobKind:
    return JobKind(
        name=name,
        noun=noun,
        action=action,
        verb=_VERBS[action],
        job_type=f"Bulk {action.capitalize()} {noun.title()}",
        shape=shape or (Shape.CREATED if action == "create" else Shape.CHANGED),
    )


KINDS: Mapping[str, JobKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            _kind("create_tickets", "create", "ticket"),
            _kind("import_tickets", "create", "ticket"),
            _kind("update_tickets", "update", "ticket"),
            _kind("merge_tickets", "update", "ticket"),
            _kind("mark_tickets_as_spam", "update", "ticket"),
            _kind("delete_tickets", "delete", "ticket"),
            _kind("permanently_delete_tickets", "delete", "ticket", Shape.SUCCESS),
            _kind("create_users", "create", "user"),
            _kind("create_or_update_users", "create", "user"),
            _kind("update_users", "update", "user"),
            _kind("delete_users", "delete", "user"),
            _kind("create_organizations", "create", "organization"),
            _kind("update_organizations", "update", "organization"),
            _kind("delete_organizations", "delete", "organization"),
            _kind("create_organization_memberships", "create", "organization membership"),
            _kind("delete_organization_memberships", "delete", "organization membership"),
            _kind("create_group_memberships", "create", "group membership"),
            _kind("delete_group_memberships", "delete", "group membership"),
            _kind("create_custom_object_records", "create", "custom object record"),
            _kind("update_custom_object_records", "update", "custom object record"),
            _kind("delete_custom_object_records", "delete", "custom object record"),
            _kind("create_resources", "create", "resource"),
            _kind("update_resources", "update", "resource"),
            _kind("delete_resources", "delete", "resource"),
        )
    }
)

MISLEADING_JOB_TYPE = "Bulk Update Ticket"  # what destroy_many was recorded to call itself
