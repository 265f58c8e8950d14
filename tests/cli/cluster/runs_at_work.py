"""External runs on a real API server, with the statuses and questions a controller would write."""

import json

from cli.cluster.labs import Lab

TIME = "2026-01-02T03:04:05Z"
FORM = {
    "type": "object",
    "required": ["verdict"],
    "additionalProperties": False,
    "properties": {
        "verdict": {"type": "string", "enum": ["accept", "reject"], "title": "Your verdict"},
        "dose": {"type": "number", "maximum": 10, "description": "electrons per pixel"},
        "sharp": {"type": "boolean", "default": True},
    },
}
HUMAN = {"driver": "human", "human": {"instructions": "Look at the image.", "form": FORM}}
SLURM = {"driver": "slurm", "system": "hpc", "slurm": {"script": "python reduce.py"}}


class Runs(Lab):
    """A person who works with runs."""

    def made(self, name, spec=None, **status):
        """A run, with the status of a controller that has seen it if ``status`` says so."""
        self.kube.create(
            {
                "apiVersion": "interact.science/v1alpha1",
                "kind": "ExternalRun",
                "metadata": {"name": name, "labels": {"scan": name}},
                "spec": spec or SLURM,
            }
        )
        if status:
            self.at(name, phase="CREATED", attempt=1)
            self.at(name, **status)
        return self.kube.get("externalruns", name)

    def at(self, name, **status):
        """Write a status, as a controller does."""
        return self.kube.patch_status("externalruns", name, status)

    def ended(self, name, spec=None, phase="COMPLETED", **status):
        """A run that has ended."""
        self.made(name, spec, phase="SUBMITTED", externalId="991")
        return self.at(name, phase=phase, reason=phase.capitalize(), completionTime=TIME, **status)

    def asked(self, name):
        """A run that waits for a person, and its question."""
        run = self.made(name, HUMAN, phase="WAITING_EXTERNAL", answers=f"{name}-answers")
        data = {"form.json": json.dumps(FORM), "instructions.md": "Look at the image."}
        self.kube.create(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": f"{name}-answers"},
                "data": data,
            }
        )
        return run

    def answers(self, name):
        """The answers given to a run."""
        data = self.kube.get("configmaps", f"{name}-answers")["data"]
        return {key: json.loads(text) for key, text in data.items() if key[0].isdigit()}
