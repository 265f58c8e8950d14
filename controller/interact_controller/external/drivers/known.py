"""The drivers this controller has, and what each is made of."""

from collections.abc import Mapping

from interact_api.external_sections import ExperimentRun
from interact_api.external_system import ExternalSystemSpec
from interact_api.external_work import Driver

from interact_controller.external import driver
from interact_controller.external.driver import Ask, ExternalError
from interact_controller.external.drivers import stored
from interact_controller.external.drivers.hosted import HostedDriver
from interact_controller.external.drivers.hosts import CustomHost, Hosting
from interact_controller.external.drivers.http import HttpDriver
from interact_controller.external.drivers.human import HumanDriver
from interact_controller.external.drivers.job import JobDriver
from interact_controller.external.drivers.objects import Requests
from interact_controller.external.drivers.slurm_rest import SlurmRestDriver
from interact_controller.external.drivers.slurm_ssh import SlurmSshDriver
from interact_controller.external.systems import Maker
from interact_controller.policy import Policy


def makers(api: Requests, policy: Policy, ask: Ask | None = None) -> Mapping[str, Maker]:
    """How each driver is made, by its name.

    Args:
        api: The door to Kubernetes, for drivers that work in the run's namespace.
        policy: The administrator's decisions.
        ask: The way over NATS to pods with a class; without one there are no such drivers.
    """
    read = None if ask is None else stored.reader(ask)

    def job(spec: ExternalSystemSpec | None, credentials: Mapping[str, str]) -> driver.Driver:
        return JobDriver(api, policy.pull_policy, read)

    def human(spec: ExternalSystemSpec | None, credentials: Mapping[str, str]) -> driver.Driver:
        return HumanDriver(api)

    def slurm(spec: ExternalSystemSpec | None, credentials: Mapping[str, str]) -> driver.Driver:
        return _slurm(spec, credentials, read)

    found: dict[str, Maker] = {
        Driver.KUBERNETES_JOB: job,
        Driver.HTTP: _http,
        Driver.SLURM: slurm,
        Driver.HUMAN: human,
    }
    if ask is not None:
        hosting = Hosting(
            policy.pod_nats_url, policy.pod_nats_secret, policy.pull_policy, policy.exchange_image
        )
        custom = HostedDriver(api, ask, hosting, CustomHost)
        experiment = HostedDriver(api, ask, hosting, ExperimentRun)
        found |= {
            Driver.CUSTOM: lambda spec, credentials: custom,
            Driver.EXPERIMENT: lambda spec, credentials: experiment,
        }
    return found


def _slurm(
    spec: ExternalSystemSpec | None, credentials: Mapping[str, str], read: stored.Read | None
) -> driver.Driver:
    if spec is None or spec.slurm is None:
        raise ExternalError("the ExternalSystem has no slurm; an administrator adds it")
    if spec.slurm.ssh is not None:
        return SlurmSshDriver(spec.slurm, credentials, read)
    return SlurmRestDriver(spec.slurm, credentials, read=read)


def _http(spec: ExternalSystemSpec | None, credentials: Mapping[str, str]) -> driver.Driver:
    if spec is None or spec.http is None:
        raise ExternalError("the ExternalSystem has no http; an administrator adds it")
    return HttpDriver(spec.http, credentials)
