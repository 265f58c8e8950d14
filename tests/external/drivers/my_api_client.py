"""A system with jobs, as the guide's class uses it; what was asked is kept."""

from typing import Any

jobs: dict[str, dict[str, Any]] = {}


def submit_job(params: dict[str, Any]) -> str:
    """Begin a job."""
    number = f"job-{len(jobs) + 1}"
    jobs[number] = {"params": params, "status": "PROCESSING"}
    return number


def get_status(number: str) -> str:
    """How a job stands."""
    return str(jobs[number]["status"])


def get_results(number: str) -> dict[str, Any]:
    """What a job found."""
    return {"gain": jobs[number]["params"]["gain"]}
