"""What Zendesk says of a job at work, as recorded: 32 hexadecimal digits, and no results before the end."""

from typing import Any


def job_status(number: int, progress: int) -> dict[str, Any]:
    job_id = f"V3-{(number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC834 % (1 << 128):032x}"
    return {
        "id": job_id,
        "job_type": "Bulk Create Ticket",
        "url": f"https://acme.zendesk.com/api/v2/job_statuses/{job_id}.json",
        "total": 100,
        "progress": progress,
        "status": "working",
        "message": f"Creating ticket #{progress}",
        "results": None,
    }
