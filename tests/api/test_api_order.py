"""Order at admission: an operator that asks for it has one reader, of a stream that drops nothing."""

import pytest
from interact_api import graph, streams
from interact_api.conditions import Reason
from interact_api.load import load
from interact_api.stream_plan import PlanSettings

TEXT = """
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {{name: read}}
spec: {{image: i, outputs: [{{name: out, type: values}}]}}
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {{name: sum}}
spec:
  image: i
  role: reducer
  inputs: [{{name: part, type: values}}]
  outputs: [{{name: out, type: image, guarantee: AtLeastOnce}}]
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {{name: follow}}
spec:
  image: i
  inputs: [{{name: part, type: any, ordered: {ordered}}}]
  outputs: [{{name: out, type: any}}]
  parallelConfig: {{type: embarrassing}}
---
apiVersion: interact.science/v1alpha1
kind: Pipeline
metadata: {{name: p}}
spec:
  operators:
  - {{name: read, operatorRef: {{name: read}}, outputs: [{{name: out, delivery: {delivery}}}]}}
  - {{name: follow, operatorRef: {{name: follow}}, replicas: {replicas}}}
  - {{name: sum, operatorRef: {{name: sum}}}}
  - {{name: look, operatorRef: {{name: follow}}}}
  edges:
  - {{from: read.out, to: follow.part}}
  - {{from: follow.out, to: sum.part}}
  - {{from: sum.out, to: look.part}}
"""


def found(**words):
    words = {"ordered": "true", "delivery": "{onFull: Block}", "replicas": "1", **words}
    read = load(TEXT.format(**words), origin="test")
    return read.pipelines[0], {one.metadata.name: one for one in read.operators}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"delivery": "{guarantee: Latest}"}, Reason.LATEST_MISUSE),
        ({"delivery": "{onFull: DropOldest}"}, Reason.LATEST_MISUSE),
        ({"replicas": "2"}, Reason.JOIN_MISUSE),
    ],
)
def test_order_that_cannot_be_kept_is_refused_with_a_remedy(words, reason):
    asked, unasked = (
        [one for one in graph.problems(*found(ordered=said, **words)) if "in order" in one.message]
        for said in ("true", "false")
    )

    assert [(one.path, one.reason) for one in asked] == [("spec.edges[0]", reason)]
    assert "; " in asked[0].message, "what is wrong, and what to do"
    assert unasked == []


def test_order_that_can_be_kept_is_planned_with_room_for_what_waits():
    settings = PlanSettings(namespace="n", installation="i", run="ab" * 16)

    plan = streams.plan(*found(), settings)

    held = {c.durable: c.max_ack_pending for s in plan.streams for c in s.consumers}
    assert held["follow_part"] == streams.MAX_ACK_PENDING_HELD


def test_an_edge_says_whether_results_of_reducers_come_by_it():
    settings = PlanSettings(namespace="n", installation="i", run="ab" * 16)

    operators = streams.plan(*found(), settings).operators

    results = {name: [e.results for e in config.inputs] for name, config in operators.items()}
    assert results == {"read": [], "follow": [False], "sum": [False], "look": [True]}
