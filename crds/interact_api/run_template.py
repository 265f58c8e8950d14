"""What a run may say about its pod: as an operator's template, without anybody's Secrets or rights.

Who may create runs need not be allowed to read Secrets, so no run names one, nor an account.
"""

from typing import ClassVar

from interact_api.model import Rule
from interact_api.template import PodTemplate


class RunPodTemplate(PodTemplate):
    """What a run's pod needs; it names no Secret and no service account."""

    rules: ClassVar[tuple[Rule, ...]] = (
        *PodTemplate.rules,
        Rule(
            "!has(self.env) || "
            "!self.env.exists(one, has(one.valueFrom) && has(one.valueFrom.secretKeyRef))",
            "env of a run names no Secret; let an operator of the catalogue name it",
            lambda s: all(
                one.value_from is None or one.value_from.secret_key_ref is None for one in s.env
            ),
        ),
        Rule(
            "!has(self.envFrom) || !self.envFrom.exists(one, has(one.secretRef))",
            "envFrom of a run names no Secret; let an operator of the catalogue name it",
            lambda s: all(one.secret_ref is None for one in s.env_from),
        ),
        Rule(
            "!has(self.volumes) || !self.volumes.exists(one, "
            "has(one.secret) || has(one.projected) || has(one.csi))",
            "volumes of a run are claims, ConfigMaps and scratch space; remove the others",
            lambda s: all(
                one.secret is None and one.projected is None and one.csi is None
                for one in s.volumes
            ),
        ),
        Rule(
            "!has(self.serviceAccountName) || self.serviceAccountName == ''",
            "a run's pod has no service account; remove serviceAccountName",
            lambda s: not s.service_account_name,
        ),
        Rule(
            "!has(self.imagePullSecrets) || self.imagePullSecrets.size() == 0",
            "a run names no imagePullSecrets; the namespace's default account has them",
            lambda s: not s.image_pull_secrets,
        ),
    )
