"""A laboratory: a namespace with two operators and a pipeline."""

import pytest
from cli.cluster import labs


@pytest.fixture
def lab(plane, kube, namespace):
    """A namespace with two operators and the pipeline ``demo``, and an administrator's commands."""
    kube.apply(labs.OPERATORS)
    kube.apply(labs.pipeline())
    return labs.Lab(kube, plane.kubeconfig, namespace)
