"""Work whose driver is a class in a pod of the run's namespace: user code, never in this process.

The pod is a Job of its own for each attempt, made when it is needed and asked over NATS. It ends
when nobody asks for a while, and is made again when somebody does; what it has to know is in the
handle, and in the run's folder.
"""

from typing import Final

import pydantic
from interact_api import file_names, names
from interact_api.border import decode, encode
from interact_api.conditions import Reason
from interact_api.external import Handle, Observation, OperatorResult, Repeat, Run
from interact_api.external_calls import ExternalAnswer, ExternalCall, Failure, Method
from interact_api.external_sections import ExperimentRun
from interact_api.external_work import CustomRun
from interact_api.model import Model
from interact_api.plain import mapping
from interact_api.problem import Problem
from interact_api.quantities import seconds

from interact_controller.errors import BrokerError
from interact_controller.external.driver import Ambiguous, Ask, ExternalError, Refused
from interact_controller.external.drivers import hosts, job, pods, sections
from interact_controller.external.drivers.hosts import CustomHost, Hosting
from interact_controller.external.drivers.jobs_api import Jobs
from interact_controller.external.drivers.objects import Requests

OWN: Final = "host"
"""Key of a handle's data that is ours; the others are the class's."""
KUBERNETES_SECONDS: Final = 31.0
EXPERIMENT_SECONDS: Final = 10.0


class HostedDriver:
    """A driver; see `interact_controller.external.driver.Driver`.

    Args:
        api: The door to Kubernetes.
        ask: The way to the pods.
        hosting: What the administrator says of them.
        section: `CustomHost` or `ExperimentRun`: what runs say.
    """

    repeat = Repeat.NEITHER

    def __init__(
        self, api: Requests, ask: Ask, hosting: Hosting, section: type[CustomHost | ExperimentRun]
    ) -> None:
        self._jobs = Jobs(api)
        self._ask = ask
        self._hosting = hosting
        self._section = section

    @property
    def call_seconds(self) -> float:
        """Longest time a call takes that lasts as long as classes have by default."""
        return KUBERNETES_SECONDS + seconds(CustomRun().call_timeout)

    def repeat_of(self, run: Run) -> Repeat:
        """As the run's operator says; requests of experiments are the same when written again."""
        if self._section is ExperimentRun:
            return Repeat.IDEMPOTENT
        return CustomHost.model_validate(run.spec).repeat

    async def validate(self, run: Run) -> list[Problem]:
        """What is wrong with what the run says to its driver."""
        found = sections.problems(self._section, run)
        if found:
            return found
        said = sections.section(self._section, run)
        if isinstance(said, ExperimentRun):
            if said.folder and (problem := file_names.file_problem(said.folder, "spec.folder")):
                return [problem]
            if not (said.image or self._hosting.image):
                message = "no image is known that has the interact package; name one"
                return [Problem("spec.image", Reason.INVALID_SPEC, message)]
        return []

    async def prepare(self, run: Run) -> Handle:
        """Make the pod, and let the class make ready what it needs."""
        said = sections.section(self._section, run)
        made = await self._jobs.make(hosts.manifest(run, said, self._hosting))
        if mapping(mapping(made["metadata"]).get("labels")).get(pods.KEY_LABEL) != run.key:
            message = (
                f"there is a Job {run.namespace}/{hosts.name(run.key)} that is not ours; remove it"
            )
            raise Refused(Problem("", Reason.NAME_TAKEN, message))
        handle = Handle(
            data={OWN: {"namespace": run.namespace, "key": run.key, "seconds": _seconds(said)}}
        )
        answer = await self._called(handle, ExternalCall(method=Method.PREPARE, run=run))
        return self._outer(handle, answer)

    async def submit(self, run: Run, handle: Handle) -> Handle:
        """Let the class begin the work."""
        call = ExternalCall(method=Method.SUBMIT, run=run, handle=_inner(handle))
        return self._outer(handle, await self._called(handle, call))

    async def lookup(self, run: Run) -> Handle | None:
        """Let the class look for the work; None if no pod was ever made for it."""
        said = sections.section(self._section, run)
        own = {"namespace": run.namespace, "key": run.key, "seconds": _seconds(said)}
        handle = Handle(data={OWN: own})
        if not await self._jobs.of_key(run.namespace, run.key):
            if self.repeat_of(run) is not Repeat.LOOKUP:
                return None
            try:
                await self._jobs.make(hosts.manifest(run, said, self._hosting))
            except Refused:  # its namespace is gone
                return None
        answer = await self._called(handle, ExternalCall(method=Method.LOOKUP, run=run))
        return None if answer.handle is None else self._outer(handle, answer)

    async def check(self, handle: Handle) -> Observation:
        """Let the class say how the work stands."""
        call = ExternalCall(method=Method.CHECK, handle=_inner(handle))
        found = (await self._called(handle, call)).observation
        if found is None:
            raise ExternalError("the class said nothing of the work")
        return found

    async def collect(self, handle: Handle) -> OperatorResult:
        """Let the class read the results."""
        call = ExternalCall(method=Method.COLLECT, handle=_inner(handle))
        found = (await self._called(handle, call)).result
        if found is None:
            raise ExternalError("the class gave no results")
        return found

    async def cancel(self, handle: Handle) -> bool:
        """Let the class stop the work, then remove its pod."""
        own = mapping(handle.data.get(OWN))
        namespace, key = str(own["namespace"]), str(own["key"])
        made = await self._jobs.of_key(namespace, key)
        stopped = True
        # An exchange of files goes on nowhere but in its pod; what a class has begun may.
        if handle.external_id and (made or self._section is CustomHost):
            call = ExternalCall(method=Method.CANCEL, handle=_inner(handle))
            stopped = (await self._called(handle, call)).stopped
        for one in made if stopped else ():
            about = mapping(one["metadata"])
            await self._jobs.remove(namespace, str(about["name"]), str(about["uid"]))
        return stopped

    async def _called(self, handle: Handle, call: ExternalCall) -> ExternalAnswer:
        """The class's answer.

        Raises:
            ExternalError: If its pod is not there yet, or says to ask again.
            Ambiguous: If a submit's end is not known.
            Refused: If it never will.
        """
        own = mapping(handle.data.get(OWN))
        subject = names.external_subject(str(own["namespace"]), str(own["key"]))
        submit = call.method is Method.SUBMIT
        try:
            told = await self._ask(subject, encode(call), float(own["seconds"]))
        except BrokerError as error:
            kind = Ambiguous if submit else ExternalError
            raise kind(f"the operator's pod gave no answer: {error}") from error
        if told is None:
            raise ExternalError(await self._revived(str(own["namespace"]), str(own["key"])))
        try:
            answer = decode(ExternalAnswer, told)
        except ValueError as error:
            kind = Ambiguous if submit else ExternalError
            raise kind(f"the operator's pod answers rubbish: {error}") from error
        if answer.failure is Failure.REFUSED:
            raise Refused(Problem("", Reason.INVALID_PARAMETER, answer.message))
        if answer.failure is not None:
            unsure = answer.failure is Failure.AMBIGUOUS or (submit and answer.handle is not None)
            raise (Ambiguous if unsure else ExternalError)(answer.message)
        return answer

    async def _revived(self, namespace: str, key: str) -> str:
        """See to it that there is a pod; why it does not listen yet."""
        made = await self._jobs.of_key(namespace, key)
        if not made:
            return "the operator's pod is gone; cancel the run, or make another"
        if job.ended(made[0]) is not None:
            await self._jobs.make(hosts.again(made[0]))
            return "the operator's pod had ended and is started again"
        seen = job.began(await self._jobs.pods(namespace, key))
        return f"the operator's pod does not listen yet: {seen.reason or seen.state} {seen.message}"

    def _outer(self, handle: Handle, answer: ExternalAnswer) -> Handle:
        if answer.handle is None:
            raise Ambiguous("the operator's pod gave no handle")
        try:
            return Handle(
                external_id=answer.handle.external_id,
                data={**answer.handle.data, OWN: handle.data[OWN]},
            )
        except pydantic.ValidationError as error:
            words = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise Refused(Problem("", Reason.TOO_LARGE, words)) from error


def _inner(handle: Handle) -> Handle:
    data = {key: value for key, value in handle.data.items() if key != OWN}
    return Handle(external_id=handle.external_id, data=data)


def _seconds(said: Model) -> float:
    return seconds(said.call_timeout) if isinstance(said, CustomRun) else EXPERIMENT_SECONDS
