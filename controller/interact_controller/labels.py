"""The labels, annotations and field managers of what the controller makes."""

from typing import Final

from interact_api.model import GROUP

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
NAME: Final = "app.kubernetes.io/name"
PIPELINE: Final = f"{GROUP}/pipeline"
OPERATOR: Final = f"{GROUP}/operator"

SCAN: Final = f"{GROUP}/scan"
INDEX: Final = f"{GROUP}/index"
"""On external runs of a pipeline's messages, with the annotations of the same names."""

HASH: Final = f"{GROUP}/desired-hash"
"""Of the Deployment we applied: tells our own changes from other people's."""
REPLICAS_OURS: Final = f"{GROUP}/replicas"
"""On Deployments whose replicas are ours: their number, with a mark if it came with the making."""
AT_BIRTH: Final = "first"
RESUME: Final = f"{GROUP}/resume-replicas"
"""How many replicas somebody else had chosen before we stopped them."""
DROP: Final = f"{GROUP}/drop"
"""``"true"`` on a Pipeline: what removed edges still hold may be lost."""

INSTALLATION: Final = f"{GROUP}/installation"
STREAM_NAMESPACE: Final = f"{GROUP}/namespace"
STREAM_PIPELINE: Final = f"{GROUP}/pipeline"
STREAM_UID: Final = f"{GROUP}/pipeline-uid"

CONTROLLER: Final = "interact-controller"
"""Field manager of everything but replicas (those too when a Deployment is made)."""
REPLICAS: Final = "interact-replicas"
"""Field manager of replicas that are ours."""
RELEASED: Final = "interact-released"
"""Field manager that holds replicas while they are handed over: dropped fields fall to 1."""
