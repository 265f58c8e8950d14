"""What is wrong with the joins of a pipeline: zips, side inputs, merges and diamonds."""

from collections.abc import Iterator

from interact_api import topology
from interact_api.choices import Guarantee, Join, OnFull, Role
from interact_api.conditions import Reason
from interact_api.pipeline import Pipeline
from interact_api.problem import Problem, listed
from interact_api.topology import Connection, Operators, most_replicas

Edges = tuple[Connection, ...]


def join_problems(pipeline: Pipeline, operators: Operators, edges: Edges) -> Iterator[Problem]:
    """Joins that cannot work: side inputs, zips, two edges where one belongs."""
    for one in edges:
        if one.side and one.guarantee is not Guarantee.LATEST:
            yield Problem(
                one.path,
                Reason.LATEST_MISUSE,
                f"{one.edge.target} is a side input, which reads the last message of a port; set "
                f"the delivery of {one.edge.source} to guarantee: Latest",
            )
        if one.input.join is Join.ZIP:
            yield from _zipped(one)
        elif one.input.ordered:
            yield from _ordered(one)
    yield from _overwritten(pipeline, operators, edges)
    yield from _repeated(edges)
    yield from _shared(pipeline, operators, edges)


def _zipped(one: Connection) -> Iterator[Problem]:
    loses = one.source.delivery(one.output.name).on_full is not OnFull.BLOCK
    if one.guarantee is Guarantee.LATEST or loses:
        yield Problem(
            one.path,
            Reason.LATEST_MISUSE,
            f"{one.edge.target} is zipped and would wait for frames that {one.edge.source} drops; "
            "set its delivery to guarantee: AtLeastOnce and onFull: Block",
        )
    if most_replicas(one.target) > 1:
        yield Problem(
            one.path,
            Reason.JOIN_MISUSE,
            f"{one.target.name!r} joins by zip and cannot run as {most_replicas(one.target)} "
            "replicas: the halves of a pair would reach different ones; remove replicas and scale",
        )


def _overwritten(pipeline: Pipeline, operators: Operators, edges: Edges) -> Iterator[Problem]:
    """Refuse streams that drop their oldest before a reducer: it waits for every frame."""
    if topology.cycle(pipeline):
        return
    above = topology.ancestors(pipeline)
    for one in edges:
        drops = one.source.delivery(one.output.name).on_full is OnFull.DROP_OLDEST
        if one.side or not drops or one.guarantee is Guarantee.LATEST:
            continue
        waiting = {
            name for name in _reducers(pipeline, operators) if one.target.name in above[name]
        }
        if waiting:
            yield Problem(
                one.path,
                Reason.LATEST_MISUSE,
                f"{listed(waiting)} reduces whole scans and would wait for ever for frames that "
                f"{one.edge.source} overwrites; set onFull of its delivery to Sample, which says "
                "what it leaves out, or to Block",
            )


def _reducers(pipeline: Pipeline, operators: Operators) -> set[str]:
    return {
        one.name
        for one in pipeline.spec.operators
        if one.operator_ref.key in operators
        and operators[one.operator_ref.key].spec.place is Role.REDUCER
    }


def _ordered(one: Connection) -> Iterator[Problem]:
    loses = one.source.delivery(one.output.name).on_full is not OnFull.BLOCK
    if one.guarantee is Guarantee.LATEST or loses:
        yield Problem(
            one.path,
            Reason.LATEST_MISUSE,
            f"{one.edge.target} takes frames in order and would wait for those that "
            f"{one.edge.source} drops; set its delivery to guarantee: AtLeastOnce and onFull: Block",
        )
    if most_replicas(one.target) > 1:
        yield Problem(
            one.path,
            Reason.JOIN_MISUSE,
            f"{one.target.name!r} takes frames in order, which needs one reader, not "
            f"{most_replicas(one.target)}; remove replicas and scale",
        )


def _repeated(edges: Edges) -> Iterator[Problem]:
    """Refuse two unjoined edges from one port to one operator: their messages share a lane."""
    seen: dict[tuple[str, str], str] = {}
    for one in edges:
        key = (one.edge.source, one.target.name)
        if one.input.join is Join.NONE and key in seen:
            yield Problem(
                one.path,
                Reason.JOIN_MISUSE,
                f"{one.edge.source} feeds {one.target.name!r} twice (also {seen[key]}); "
                "join these inputs by zip, or remove an edge",
            )
        if one.input.join is Join.NONE:
            seen[key] = one.edge.target


def _shared(pipeline: Pipeline, operators: Operators, edges: Edges) -> Iterator[Problem]:
    for number, operator in enumerate(pipeline.spec.operators):
        known = operators.get(operator.operator_ref.key)
        for port in known.spec.inputs if known else ():
            fed = [o for o in edges if o.edge.target == f"{operator.name}.{port.name}"]
            if port.join is not Join.NONE and len(fed) > 1:
                sources = ", ".join(one.edge.source for one in fed)
                yield Problem(
                    f"spec.operators[{number}]",
                    Reason.JOIN_MISUSE,
                    f"{operator.name}.{port.name} (join: {port.join}) takes one edge, not "
                    f"{len(fed)} ({sources}); remove all but one",
                )


def lane_problems(pipeline: Pipeline, edges: Edges) -> Iterator[Problem]:
    """Frames that arrive on several paths where one is taken, or on too many."""
    sent = topology.lanes(pipeline, edges)
    for one in edges:
        count = len(sent[one.source.name])
        if one.input.join is Join.ZIP and count > 1:
            yield Problem(
                one.path,
                Reason.JOIN_MISUSE,
                f"{one.edge.source} carries frames on {count} paths and {one.edge.target} would "
                "see each frame as often; zip before the paths meet",
            )
    for number, operator in enumerate(pipeline.spec.operators):
        if len(sent[operator.name]) > topology.MAX_LANES:
            yield Problem(
                f"spec.operators[{number}]",
                Reason.JOIN_MISUSE,
                f"frames reach {operator.name!r} on more than {topology.MAX_LANES} paths; "
                "join the paths by zip where they meet",
            )


def diamond_problems(pipeline: Pipeline, operators: Operators, edges: Edges) -> Iterator[Problem]:
    """Refuse a zip of a scan's reduction with the scan itself: the frames wait for their end."""
    above = topology.ancestors(pipeline)
    reducers = _reducers(pipeline, operators)
    zipped = [one for one in edges if one.input.join is Join.ZIP]
    for waits in zipped:
        if waits.source.delivery(waits.output.name).holds_scan:
            continue
        late = {
            reducer
            for other in zipped
            if other.target.name == waits.target.name and other.edge.target != waits.edge.target
            for reducer in (above[other.source.name] & reducers) - above[waits.source.name]
            if above[reducer] & above[waits.source.name]
        }
        if late:
            yield Problem(
                waits.path,
                Reason.DIAMOND_DEADLOCK,
                f"{waits.edge.target} waits for {listed(late)}, which reduces the whole scan, "
                f"while {waits.edge.source} fills up; use join: latest, or give the delivery of "
                f"{waits.edge.source} a maxBytes for a whole scan and holdsScan: true",
            )
