"""A namespace with operators and a pipeline on a real API server, and a person's commands there."""

import threading

from cluster.waiting import eventually
from interact.cli.app import app
from interact.cli.exits import CommandError, Exit
from typer.testing import CliRunner

OPERATORS = """\
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: counting, labels: {kind: source}}
spec:
  image: example.org/counting:1
  outputs: [{name: out, type: dense}]
---
apiVersion: interact.science/v1alpha1
kind: InteractOperator
metadata: {name: adding}
spec:
  image: example.org/adding:1
  inputs: [{name: in, type: dense}]
  outputs: [{name: out, type: dense}]
  parallelConfig: {type: embarrassing}
  parameters:
  - {name: gain, type: int, default: "1", minimum: 1, maximum: 100}
  - {name: mode, type: str-enum, options: [fast, exact]}
"""


def pipeline(name="demo", **spec):
    return {
        "apiVersion": "interact.science/v1alpha1",
        "kind": "Pipeline",
        "metadata": {"name": name, "labels": {"scan": name}},
        "spec": {
            "operators": [
                {"name": "reader", "operatorRef": {"name": "counting"}},
                {"name": "sum", "operatorRef": {"name": "adding"}, "parameters": {"mode": "fast"}},
            ],
            "edges": [{"from": "reader.out", "to": "sum.in"}],
            **spec,
        },
    }


class Lab:
    """A person with a kubeconfig."""

    def __init__(self, kube, kubeconfig, namespace):
        self.kube = kube
        self.where = ["--kubeconfig", str(kubeconfig), "-n", namespace]

    def do(self, *arguments):
        """Run a command; its exit code, its output and what it said of errors."""
        result = CliRunner().invoke(app, [*map(str, arguments), *self.where])
        if isinstance(result.exception, CommandError):
            return result.exception.code, result.stdout, "\n".join(result.exception.lines)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    def said(self, *arguments):
        """The output of a command that has to succeed."""
        code, out, err = self.do(*arguments)
        assert code == 0, (code, out, err)
        return out

    def refused(self, *arguments):
        """The exit code and the words of a command that has to fail."""
        code, out, err = self.do(*arguments)
        assert code != 0, out
        return Exit(code), err

    def get(self, name="demo"):
        return self.kube.get("pipelines", name)

    def write_status(self, name="demo", **status):
        """What a controller would say of the present specification."""
        seen = {"observedGeneration": self.get(name)["metadata"]["generation"]}
        conditions = [
            {**one, "observedGeneration": seen["observedGeneration"]}
            for one in status.pop("conditions", [])
        ]
        body = {**seen, **status, "conditions": conditions}
        return self.kube.patch_status("pipelines", name, body)


def answered(lab, command, answer, *more):
    """Run a command that waits, and ``answer`` as the controller once it said what it waits for."""
    done = []
    waiting = threading.Thread(target=lambda: done.append(lab.do(*command, "--wait", *more)))
    before = lab.get()["metadata"]["generation"]
    waiting.start()
    eventually(lambda: lab.get()["metadata"]["generation"] > before, "the specification changed")
    answer()
    waiting.join(30)
    assert done, "the command still waits"
    return done[0]
