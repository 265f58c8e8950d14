"""What an author of external operators imports: the class, its values, and paths that stay inside.

from interact.external import ExternalOperator, ExternalRunHandle, OperatorResult
"""

from interact.external_operator import (
    ExternalOperator,
    ExternalRunHandle,
    ExternalRunStatus,
    OperatorResult,
    RunHandle,
    Task,
)
from interact.external_paths import PathRefused, ensure_under_run_root, operator_run_dir

Operator = ExternalOperator
"""The name by which older classes know it."""

__all__ = [
    "ExternalOperator",
    "ExternalRunHandle",
    "ExternalRunStatus",
    "Operator",
    "OperatorResult",
    "PathRefused",
    "RunHandle",
    "Task",
    "ensure_under_run_root",
    "operator_run_dir",
]
