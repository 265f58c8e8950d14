"""The words for kinds and names, and what the API server refuses."""

import pytest
from interact.cli.cluster import kinds
from interact.cli.cluster.api import ApiError
from interact.cli.cluster.kinds import OPERATOR, PIPELINE
from interact.cli.cluster.refusals import refusal
from interact.cli.exits import CommandError, Exit


@pytest.mark.parametrize(
    ("words", "kind", "names"),
    [
        ([], PIPELINE, ()),
        (["pipelines"], PIPELINE, ()),
        (["ipl", "a"], PIPELINE, ("a",)),
        (["a", "b"], PIPELINE, ("a", "b")),
        (["pipelines", "operators"], PIPELINE, ("operators",)),
        (["operators"], OPERATOR, ()),
        (["iop", "count"], OPERATOR, ("count",)),
        (["operator/count", "operator/sum"], OPERATOR, ("count", "sum")),
        (["pipeline.interact.science/a"], PIPELINE, ("a",)),
        (["InteractOperators"], OPERATOR, ()),
    ],
)
def test_kinds_and_names_are_written_as_for_kubectl(words, kind, names):
    assert kinds.asked(words) == (kind, names)


@pytest.mark.parametrize(
    "words",
    [
        ["../../secrets"],
        ["a/b/c"],
        ["A"],
        ["a b"],
        ["x" * 254],
        ["pod/a"],
        ["ipl/a", "iop/b"],
        [""],
    ],
)
def test_what_is_no_name_never_becomes_a_path(words):
    with pytest.raises(CommandError) as raised:
        kinds.asked(words)

    assert raised.value.code is Exit.USAGE


MISSING = {"details": {"kind": "pipelines", "name": "demo"}}
CAUSES = {"details": {"causes": [{"field": "spec.operators[0]", "message": "give one"}]}}


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        pytest.param(ApiError(0, "https://a: refused"), Exit.UNREACHABLE, "--context", id="no server"),
        pytest.param(ApiError(401, "no"), Exit.FORBIDDEN, "log in again", id="unknown user"),
        pytest.param(ApiError(403, "may not"), Exit.FORBIDDEN, "may not", id="forbidden"),
        pytest.param(ApiError(404, "gone", MISSING), Exit.NOT_FOUND, "there is none", id="no such object"),
        pytest.param(ApiError(404, "page"), Exit.NOT_FOUND, "install Interact", id="no such kind"),
        pytest.param(ApiError(409, "late"), Exit.INVALID, "try again", id="conflicts"),
        pytest.param(ApiError(422, "bad", CAUSES), Exit.INVALID, "spec.operators[0]: give one", id="invalid"),
        pytest.param(ApiError(503, "busy"), Exit.UNREACHABLE, "answers 503: busy", id="overloaded"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_and_what_to_do(error, code, words):
    told = refusal(error, "pipeline 'demo'")

    assert (told.code, words in str(told)) == (code, True), str(told)
    assert error.code == 0 or "pipeline 'demo'" in str(told)
