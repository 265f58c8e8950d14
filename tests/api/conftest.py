"""A small catalogue of operators, and pipelines made of it."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from interact_api.load import load, resource
from interact_api.operator import InteractOperator
from interact_api.pipeline import Pipeline
from interact_api.stream_plan import PlanSettings

CATALOGUE = """
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: reader}
spec:
  image: example/reader:1
  outputs:
  - {name: frames, type: dense|sparse}
  - {name: dark, type: image, guarantee: Latest}
  parameters:
  - {name: path, type: mount, required: true}
  - {name: repeat, type: int, default: "1", minimum: 1, maximum: 9}
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: centre}
spec:
  image: example/centre:1
  kernelTimeout: 12s
  parallelConfig: {type: embarrassing}
  inputs: [{name: frames, type: dense|sparse}]
  outputs: [{name: moments, type: values}]
  parameters:
  - {name: radius, type: float, default: "20", minimum: 0, unit: px}
  - {name: method, type: str-enum, options: [disk, ring], default: disk}
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: total}
spec:
  image: example/total:1
  role: reducer
  inputs: [{name: parts, type: values}]
  outputs: [{name: image, type: image}, {name: partial, type: image, guarantee: Latest}]
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: divide}
spec:
  image: example/divide:1
  parallelConfig: {type: embarrassing}
  inputs: [{name: above, type: any, join: zip}, {name: below, type: any, join: zip}]
  outputs: [{name: ratio, type: values}]
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: correct}
spec:
  image: example/correct:1
  inputs: [{name: frames, type: dense|sparse}, {name: dark, type: image, join: latest}]
  outputs: [{name: frames, type: dense}]
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: show}
spec:
  image: example/show:1
  inputs: [{name: anything, type: any}]
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: once}
spec:
  image: example/once:1
  execution: {mode: invocation}
"""

MakePipeline = Callable[..., Pipeline]


@pytest.fixture(scope="session")
def catalogue() -> dict[str, InteractOperator]:
    """Operators of every role, by name."""
    return load(CATALOGUE).catalogue()


@pytest.fixture(scope="session")
def make_pipeline() -> MakePipeline:
    """A pipeline from ``name=operator`` or ``name={...}`` and edges ``"a.x > b.y"``."""

    def make(*edges: str | Mapping[str, Any], **operators: str | Mapping[str, Any]) -> Pipeline:
        placed = []
        for name, given in operators.items():
            said = {"ref": given} if isinstance(given, str) else dict(given)
            ref = said.pop("ref")
            if ref == "reader":
                said.setdefault("parameters", {"path": "data/scan.h5"})
            placed.append({"name": name, "operatorRef": {"name": ref}, **said})
        wires = []
        for edge in edges:
            said = {"wire": edge} if isinstance(edge, str) else dict(edge)
            source, target = said.pop("wire").split(" > ")
            wires.append({"from": source, "to": target, **said})
        data = {"metadata": {"name": "scan"}, "spec": {"operators": placed, "edges": wires}}
        return resource(Pipeline, data, origin="test")

    return make


@pytest.fixture(scope="session")
def plan_settings() -> PlanSettings:
    """A run in the namespace lab."""
    return PlanSettings(namespace="lab", installation="here", run="00ff")
