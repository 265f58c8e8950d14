"""The run of a message: what it is made of, and what its relay is told of it. Pure."""

import re
from typing import Any, Final

from interact_api import names
from interact_api.external_asks import Outcome, RunAsk, RunTold, order
from interact_api.external_run import KIND, ExternalRunStatus
from interact_api.lifecycle import TERMINAL, RunPhase
from interact_api.model import API_VERSION
from interact_api.operator import InteractOperator
from interact_api.pipeline import KIND as PIPELINE_KIND
from interact_api.pipeline import Pipeline
from interact_api.plain import entries, mapping
from pydantic import ValidationError

from interact_controller import labels
from interact_controller.seen import Manifest

KEPT: Final = "1h"
"""How long the run of a message is kept after its end where its operator says nothing."""
_LABEL: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


def manifest(
    pipeline: Pipeline, placed: str, operator: InteractOperator, question: RunAsk
) -> Manifest:
    """The ExternalRun of a message: the same for the same message.

    Args:
        pipeline: Whose message it is; it owns the run.
        placed: The operator's name in the pipeline.
        operator: The operator in the catalogue.
        question: The message.
    """
    name = names.message_run(
        pipeline.metadata.name, placed, question.run, question.message, question.edition
    )
    own: dict[str, Any] = {labels.PIPELINE: pipeline.metadata.name, labels.OPERATOR: placed,
                           labels.INDEX: str(question.index)}  # fmt: skip
    if _LABEL.fullmatch(question.scan):
        own[labels.SCAN] = question.scan
    home = pipeline.metadata.namespace
    ref: dict[str, Any] = {"name": operator.metadata.name}
    if operator.metadata.namespace not in {None, "", home}:
        ref["namespace"] = operator.metadata.namespace
    execution = operator.spec.execution
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": name,
            "namespace": home,
            "labels": own,
            "annotations": {labels.SCAN: question.scan},
            "ownerReferences": [_owner(pipeline)],
        },
        "spec": {
            "operator": ref,
            "parameters": [
                {"name": key, "value": value} for key, value in question.parameters.items()
            ],
            "inputs": [
                one.model_dump(mode="json", by_alias=True, exclude_defaults=True)
                for one in question.inputs
            ],
            "ttlAfterFinished": execution.ttl_after_finished or KEPT,
        },
    }


def told(run: Manifest, pipeline: str) -> RunTold:
    """How a run stands, for its relay.

    Args:
        run: The object.
        pipeline: Uid of the pipeline it is to belong to.
    """
    about = mapping(run["metadata"])
    name = str(about["name"])
    owners = [mapping(one).get("uid") for one in entries(about.get("ownerReferences"))]
    if pipeline not in owners:
        words = f"ExternalRun {name!r} is there and belongs to somebody else; delete it"
        return RunTold(outcome=Outcome.LATER, name=name, message=words)
    try:
        status = ExternalRunStatus.model_validate(run["status"]) if run.get("status") else None
    except ValidationError as error:
        words = f"the status of ExternalRun {name!r} is not understood: {error}"[:4000]
        return RunTold(outcome=Outcome.GOES_ON, name=name, message=words)
    if status is None:
        return RunTold(outcome=Outcome.GOES_ON, name=name, phase=RunPhase.CREATED)
    facts = {"name": name, "phase": status.phase, "reason": status.reason or ""}
    words = status.message[:4000]
    if status.phase not in TERMINAL:
        return RunTold(outcome=Outcome.GOES_ON, message=words, **facts)
    if status.phase is not RunPhase.COMPLETED:
        return RunTold(outcome=Outcome.FAILED, message=words, **facts)
    return RunTold(
        outcome=Outcome.COMPLETED, message=words, results=status.results,
        artifacts=status.artifacts, **facts,
    )  # fmt: skip


def place(run: Manifest) -> tuple[str, str, str] | None:
    """Namespace, pipeline and operator of a run; None if it is of no message."""
    about = mapping(run["metadata"])
    own = mapping(about.get("labels"))
    if labels.PIPELINE not in own or labels.OPERATOR not in own:
        return None
    return str(about.get("namespace", "")), str(own[labels.PIPELINE]), str(own[labels.OPERATOR])


def turn(run: Manifest) -> str:
    """What orders runs that were made at once: scan, then index, then name.

    >>> turn({"metadata": {"name": "b", "labels": {"interact.science/index": "7"}}})
    '000000000000 000000000007 b'
    """
    about = mapping(run["metadata"])
    index = str(mapping(about.get("labels")).get(labels.INDEX, ""))
    if not index.isdecimal():
        return str(about["name"])
    scan = str(mapping(about.get("annotations")).get(labels.SCAN, ""))
    return f"{order(scan, int(index))} {about['name']}"


def _owner(pipeline: Pipeline) -> dict[str, Any]:
    """Kubernetes deletes the run with its pipeline; what it has begun is swept then."""
    return {
        "apiVersion": API_VERSION, "kind": PIPELINE_KIND, "name": pipeline.metadata.name,
        "uid": pipeline.metadata.uid, "controller": True, "blockOwnerDeletion": False,
    }  # fmt: skip
