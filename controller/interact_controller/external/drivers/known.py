"""The drivers this controller has, and what each is made of."""

from collections.abc import Mapping

from interact_api.external_system import ExternalSystemSpec
from interact_api.external_work import Driver

from interact_controller.external import driver
from interact_controller.external.driver import ExternalError
from interact_controller.external.drivers.http import HttpDriver
from interact_controller.external.drivers.job import JobDriver
from interact_controller.external.drivers.jobs_api import Requests
from interact_controller.external.systems import Maker
from interact_controller.policy import Policy


def makers(api: Requests, policy: Policy) -> Mapping[str, Maker]:
    """How each driver is made, by its name.

    Args:
        api: The door to Kubernetes, for drivers that work in the run's namespace.
        policy: The administrator's decisions.
    """

    def job(spec: ExternalSystemSpec | None, credentials: Mapping[str, str]) -> driver.Driver:
        return JobDriver(api, policy.pull_policy)

    return {Driver.KUBERNETES_JOB: job, Driver.HTTP: _http}


def _http(spec: ExternalSystemSpec | None, credentials: Mapping[str, str]) -> driver.Driver:
    if spec is None or spec.http is None:
        raise ExternalError("the ExternalSystem has no http; an administrator adds it")
    return HttpDriver(spec.http, credentials)
