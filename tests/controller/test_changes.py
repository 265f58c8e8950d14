"""Where an object differs from what we want, and laws of the whole reconcile."""

import asyncio

import pytest
from controller.building import NAMESPACE, Lab, catalogue, pipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from interact_controller import observed
from interact_controller.desired import state
from interact_controller.differences import difference
from interact_controller.seen import Key, Kind


@pytest.mark.parametrize(
    ("wanted", "found", "where"),
    [
        pytest.param({"a": 1}, {"a": 1, "b": 2}, "", id="a field of somebody else"),
        pytest.param({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b", id="a changed field"),
        pytest.param({"a": {"b": 1}}, {"a": {}}, "a.b", id="a removed field"),
        pytest.param({"a": {"b": 1}}, {}, "a", id="a removed branch"),
        pytest.param({"cpu": "1"}, {"cpu": "1000m"}, "", id="another spelling of a quantity"),
        pytest.param({"memory": "1.5Gi"}, {"memory": "1536Mi"}, "", id="binary quantities"),
        pytest.param({"memory": "1G"}, {"memory": "1Gi"}, "memory", id="another quantity"),
        pytest.param({"value": ""}, {}, "", id="an empty value the server leaves out"),
        pytest.param({"read": False}, {}, "", id="a default the server leaves out"),
        pytest.param({"read": True}, {}, "read", id="a value that is gone"),
        pytest.param({"on": True}, {"on": 1}, "", id="true and one"),
        pytest.param({"x": {}}, {"x": {"a": 1}}, "", id="nothing wanted of a branch"),
        pytest.param({"emptyDir": {}}, {"name": "x"}, "", id="an empty branch left out"),
        pytest.param(
            {"env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]},
            "",
            id="an entry of somebody else, in another order",
        ),
        pytest.param(
            {"env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "A", "value": "9"}]},
            "env[A].value",
            id="a changed entry",
        ),
        pytest.param({"env": [{"name": "A"}]}, {"env": []}, "env[A]", id="a removed entry"),
        pytest.param({"command": ["a", "b"]}, {"command": ["a"]}, "command", id="a shorter list"),
        pytest.param(
            {"command": ["a", "b"]}, {"command": ["a", "c"]}, "command[1]", id="a changed word"
        ),
        pytest.param(
            {"tolerations": [{"key": "a"}, {"key": "a", "value": "b"}]},
            {"tolerations": [{"key": "a"}, {"key": "a", "value": "c"}]},
            "tolerations[1].value",
            id="entries that nothing tells apart go by their place",
        ),
        pytest.param({"a": [1]}, {"a": {"b": 1}}, "a", id="another type"),
    ],
)
def test_only_what_is_ours_and_differs_is_a_difference(wanted, found, where):
    assert difference(wanted, found) == where


words = st.sampled_from(["alpha", "beta", "gamma", "delta", "a-b", "x" * 40, "y" * 60])
kinds = st.sampled_from(["reader", "centre", "smooth", "total", "show", "nobody"])
ports = st.sampled_from(["frames", "moments", "parts", "image"])
entries = st.fixed_dictionaries(
    {"ref": kinds},
    optional={
        "replicas": st.integers(1, 9),
        "parameters": st.dictionaries(
            st.sampled_from(["radius", "rows", "odd"]), st.integers(-2, 9), max_size=2
        ),
        "updatePolicy": st.sampled_from(["Automatic", "Pinned"]),
        "outputs": st.just([{"name": "frames", "delivery": {"guarantee": "Latest"}}]),
    },
)


@st.composite
def pipelines(draw):
    """Specifications the server admits; most of them mean something, many are wrong."""
    placed = draw(st.dictionaries(words, entries, max_size=5))
    names = st.sampled_from(sorted(placed) or ["alpha"])
    edges = draw(
        st.lists(
            st.builds(lambda a, p, b, q: f"{a}.{p} > {b}.{q}", names, ports, names, ports),
            max_size=6,
            unique=True,
        )
    )
    flags = draw(
        st.fixed_dictionaries({}, optional={"suspend": st.booleans(), "drain": st.booleans()})
    )
    return pipeline(*edges, spec=flags, **placed)


@st.composite
def sound(draw):
    """Specifications that can run: a chain with branches, in any order of its kernels."""
    kernels = draw(st.lists(st.sampled_from(["k1", "k2", "k3"]), unique=True, max_size=3))
    placed = {"r": {"ref": "reader"}}
    edges, last = [], "r"
    for name in kernels:
        placed[name] = {"ref": "smooth"} | draw(
            st.fixed_dictionaries({}, optional={"replicas": st.integers(1, 4)})
        )
        edges.append(f"{last}.frames > {name}.frames")
        last = name
    for name in draw(st.lists(st.sampled_from(["r", *kernels]), unique=True, max_size=2)):
        placed[f"show-{name}"] = {"ref": "show"}
        edges.append(f"{name}.frames > show-{name}.image")
    if draw(st.booleans()):
        placed |= {"c": {"ref": "centre"}, "t": {"ref": "total"}}
        edges += [f"{last}.frames > c.frames", "c.moments > t.parts"]
    if draw(st.booleans()):
        delivery = draw(st.sampled_from([{"guarantee": "Latest"}, {"maxBytes": "1Gi"}]))
        placed["r"]["outputs"] = [{"name": "frames", "delivery": delivery}]
    return pipeline(*edges, **placed)


@pytest.mark.slow
@settings(max_examples=20)
@given(pipelines() | sound())
def test_reconciling_again_writes_nothing_whatever_the_specification(manifest):
    async def twice():
        lab = Lab(*catalogue(), manifest)
        await lab.run(times=4)
        await lab.look()
        lab.forget_writes()
        await lab.look(times=3)
        return lab

    lab = asyncio.run(twice())

    assert lab.writes == []
    assert lab.condition("Ready")[0] in {"True", "False"}


@pytest.mark.slow
@settings(max_examples=12)
@given(sound(), sound())
def test_an_edit_ends_where_a_fresh_start_would(first, second):
    async def edited():
        lab = Lab(*catalogue(), first)
        await lab.run(times=4)
        lab.memory.replace(second)
        await lab.run(times=8)
        return lab

    async def fresh():
        lab = Lab(*catalogue(), second)
        await lab.run(times=4)
        return lab

    after, wanted = asyncio.run(edited()), asyncio.run(fresh())

    assert wanted.condition("Ready") == after.condition("Ready") == ("True", "Running")
    assert after.replicas() == wanted.replicas()
    assert readers(after) == readers(wanted)


def readers(lab):
    """Streams with what reads them."""
    return {
        name: (one.retention, set(one.consumers or ())) for name, one in lab.streams.there.items()
    }


async def test_the_desired_state_is_the_same_each_time():
    lab = Lab()
    await lab.run()
    manifest = lab.memory.get(Key(Kind.PIPELINE, NAMESPACE, "scan"))
    assert manifest is not None

    async def desired():
        found = observed.pipeline(manifest)
        world = lab.world
        seen = await observed.observe(
            found, manifest, world.store, world.broker, lab.boards.one, world.policy
        )
        return state.state(seen, world.policy)

    assert await desired() == await desired()
