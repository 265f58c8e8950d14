"""The commands on a cluster: what each takes, and how it is explained."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from interact.cli.asking import Asking, anywhere, on_a_cluster
from interact.cli.cluster.options import (
    AllOption,
    Answer,
    Form,
    LocalOption,
    PipelineArgument,
    SelectorOption,
    TimeoutOption,
    WaitOption,
    Where,
)
from interact.cli.outputs import Output, ShortOutputOption

if TYPE_CHECKING:
    from interact.cli.presence import Presence

app = typer.Typer(rich_markup_mode=None)

WAIT_SECONDS = 300.0
TRIGGER_SECONDS = 30.0

AnswerOption = Annotated[
    Answer | None,
    typer.Option("--output", "-o", help="Print the changed object instead of a sentence."),
]
WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[pipelines|operators] [NAME]...", help="Pipelines without a word."),
]

_GET_HELP = """List pipelines and operators of a cluster.

\b
Examples:
  interact get                          pipelines of the namespace
  interact get -A -o wide               everywhere, with reasons
  interact get operators                what pipelines can be made of
  interact get demo -o json             one pipeline, for programs
  interact get demo -w                  and every change of it

The columns are the cluster's, as kubectl get shows them.
"""

_DESCRIBE_HELP = """Tell everything about a pipeline or an operator.

\b
Examples:
  interact describe demo                conditions, operators, edges, scans, events
  interact describe operator count      ports, and parameters with their bounds
"""

_TOP_HELP = """Show frames per second and what is pending, operator by operator.

\b
Examples:
  interact top                          all pipelines of the namespace, until Ctrl-C
  interact top demo --once              once, for a log
"""

_SET_HELP = """Set parameters of a pipeline that runs; nothing restarts.

A run on this machine comes first: interact run, or else a cluster.

\b
Examples:
  interact set demo count.threshold=12
  interact set demo count.threshold=12 sum.gain=0.5 --wait

A value is checked against the operator's declaration first, which interact
describe operator NAME shows. All values of a command take effect as one
revision; --wait returns when every operator works with it. Whatever applies
the pipeline's file again (Flux, Argo CD, kubectl apply) sets its values back.
"""

_SCALE_HELP = """Fix how many replicas of an operator run.

\b
Example:
  interact scale demo count=4 --wait

A scale in the specification, which chooses by what is pending, is removed.
"""

_SUSPEND_HELP = """Stop a pipeline's operators; what is in its streams stays.

\b
Example:
  interact suspend demo --wait
"""

_RESUME_HELP = """Start a pipeline again that was suspended or drained.

\b
Example:
  interact resume demo --wait
"""

_DRAIN_HELP = """Stop a pipeline's sources and finish what is in flight.

\b
Example:
  interact drain demo --wait --timeout 600

A suspended pipeline is resumed for that: what is in its streams has to go
through its operators.
"""

_TRIGGER_HELP = """Have a running operator do something, and wait until it has.

\b
Examples:
  interact trigger demo center.emit
  interact trigger demo denoise.retrain epochs=5 --timeout 120
  interact trigger demo reader.tare -o json

Between two messages, one replica or all execute the trigger, as the operator
declares it; interact describe operator NAME shows its arguments. A call is
never repeated by itself: after a crash its outcome may be unknown, and --id
asks for the answer to a call that was made before, without another call.
"""

_DELETE_HELP = """Delete a pipeline with its pods and streams.

\b
Examples:
  interact delete demo
  interact delete demo --wait --timeout 600
  interact delete demo --now            without draining

Where spec.deletionPolicy is Drain, the pipeline is drained first, and is kept
if that takes longer than --timeout. kubectl delete does not drain.
"""


def _local_run(pipeline: str, where: Where, local: bool | None) -> "Presence | None":
    """The run on this machine that a command is about; None if it is about a cluster."""
    from interact.cli import reach

    return reach.local_run(pipeline, Asking(where, local))


@app.command(help=_GET_HELP)
@on_a_cluster
def get(
    where: Where,
    words: WordsArgument = None,
    output: Annotated[Form, typer.Option("--output", "-o", help="How to print.")] = Form.TABLE,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on with what changes.")] = False,
    local: Annotated[
        bool, typer.Option("--local", help="Pipelines of the runs on this machine.")
    ] = False,
    selector: SelectorOption = "",
    everywhere: AllOption = False,
) -> None:
    from interact.cli.cluster import connecting, getting

    if local:
        from interact.cli import local_words

        if not local_words.get(output, where.namespace, words or ()):
            typer.echo("nothing runs on this machine", err=True)
        return
    place = connecting.place(replace(where, everywhere=everywhere))
    getting.get(place, words or (), output, selector, watch=watch)


@app.command(help=_DESCRIBE_HELP)
@on_a_cluster
def describe(
    where: Where,
    words: Annotated[list[str], typer.Argument(metavar="[operator] NAME...")],
) -> None:
    from interact.cli.cluster import connecting, reading

    reading.describe(connecting.place(where), words)


@app.command(help=_TOP_HELP)
@on_a_cluster
def top(
    where: Where,
    pipeline: Annotated[str, typer.Argument(metavar="[PIPELINE]", help="Only this one.")] = "",
    once: Annotated[bool, typer.Option("--once", help="Print it once.")] = False,
    local: LocalOption = None,
    everywhere: AllOption = False,
) -> None:
    from interact.cli import local_words
    from interact.cli.cluster import connecting, reading

    where = replace(where, everywhere=everywhere)
    run = _local_run(pipeline, where, local) if pipeline and not everywhere else None
    if run is not None:
        local_words.top(run, pipeline, once=once)
        return
    reading.top(connecting.place(where), pipeline, once=once)


@app.command(name="set", help=_SET_HELP)
@on_a_cluster
def set_(
    where: Where,
    pipeline: PipelineArgument,
    values: Annotated[list[str], typer.Argument(metavar="OPERATOR.PARAMETER=VALUE...")],
    wait: WaitOption = False,
    timeout: TimeoutOption = WAIT_SECONDS,
    output: AnswerOption = None,
    local: LocalOption = None,
) -> None:
    from interact.cli import local_words
    from interact.cli.cluster import changing

    run = _local_run(pipeline, where, local)
    if run is not None:
        local_words.set_parameters(run, pipeline, values, output, timeout, wait=wait)
        return
    asked = changing.asked(where, pipeline, output, timeout, wait=wait)
    changing.set_parameters(asked, values)


@app.command(help=_SCALE_HELP)
@on_a_cluster
def scale(
    where: Where,
    pipeline: PipelineArgument,
    replicas: Annotated[list[str], typer.Argument(metavar="OPERATOR=NUMBER...")],
    wait: WaitOption = False,
    timeout: TimeoutOption = WAIT_SECONDS,
    output: AnswerOption = None,
) -> None:
    from interact.cli.cluster import changing

    changing.scale(changing.asked(where, pipeline, output, timeout, wait=wait), replicas)


def _switch(word: str, explained: str) -> None:
    """Add the command that suspends, resumes or drains."""

    @app.command(name=word, help=explained)
    @on_a_cluster
    def switch(
        where: Where,
        pipeline: PipelineArgument,
        wait: WaitOption = False,
        timeout: TimeoutOption = WAIT_SECONDS,
        output: AnswerOption = None,
        local: LocalOption = None,
    ) -> None:
        from interact.cli import local_words
        from interact.cli.cluster import changing

        run = _local_run(pipeline, where, local)
        if run is not None:
            local_words.switch(run, pipeline, word, timeout, wait=wait)
            return
        todo = {"suspend": changing.suspend, "resume": changing.resume, "drain": changing.drain}
        todo[word](changing.asked(where, pipeline, output, timeout, wait=wait))


_switch("suspend", _SUSPEND_HELP)
_switch("resume", _RESUME_HELP)
_switch("drain", _DRAIN_HELP)


@app.command(help=_TRIGGER_HELP)
@anywhere
def trigger(
    asked: Asking,
    pipeline: PipelineArgument,
    name: Annotated[str, typer.Argument(metavar="OPERATOR.TRIGGER")],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[ARGUMENT=VALUE]...", show_default=False)
    ] = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=0.1, max=86400, metavar="SECONDS", help="For the answers."),
    ] = TRIGGER_SECONDS,
    call_id: Annotated[
        str, typer.Option("--id", metavar="ID", help="Of a call that was made before.")
    ] = "",
    output: ShortOutputOption = Output.TEXT,
) -> None:
    from interact.cli import trigger_command

    trigger_command.trigger(
        pipeline, name, arguments or (), asked, timeout, call_id, as_json=output is Output.JSON
    )


@app.command(help=_DELETE_HELP)
@on_a_cluster
def delete(
    where: Where,
    pipeline: PipelineArgument,
    now: Annotated[bool, typer.Option("--now", help="Drop what is in flight.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Return when its pods are gone.")] = False,
    timeout: TimeoutOption = WAIT_SECONDS,
) -> None:
    from interact.cli.cluster import changing

    changing.delete(changing.asked(where, pipeline, None, timeout, wait=wait), now=now)
