"""What the contract's own documentation claims: examples that run, modules that say their purpose."""

import ast
import doctest
import importlib
import importlib.util
import pkgutil

import interact_api
import pytest

MODULES = [one.name for one in pkgutil.iter_modules(interact_api.__path__, "interact_api.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_is_documented(name):
    tree = ast.parse(importlib.util.find_spec(name).loader.get_source(name))
    kinds = (ast.FunctionDef, ast.ClassDef)

    public = [one for one in tree.body if isinstance(one, kinds) and not one.name.startswith("_")]
    bare = [one.name for one in public if not ast.get_docstring(one)]

    assert ast.get_docstring(tree)
    assert bare == []


@pytest.mark.parametrize("name", MODULES)
def test_functions_are_short_enough_to_read(name):
    tree = ast.parse(importlib.util.find_spec(name).loader.get_source(name))

    long = [
        (one.name, one.end_lineno - one.lineno)
        for one in ast.walk(tree)
        if isinstance(one, ast.FunctionDef) and one.end_lineno - one.lineno > 45
    ]

    assert long == []
