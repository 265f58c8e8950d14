"""Operators as their containers load them, and scans made for them."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interact import Batch, DenseFrames, Operator, Resume, Scan, _main

SHIPPED = Path(__file__).resolve().parents[2] / "operators"


@pytest.fixture(scope="session")
def shipped() -> Callable[[str], Operator]:
    """The operator of a folder by its name, loaded once."""
    loaded: dict[str, Operator] = {}

    def load(name: str) -> Operator:
        if name not in loaded:
            loaded[name] = _main.found(SHIPPED / name / "run.py")
        return loaded[name]

    return load


@pytest.fixture
def drain() -> Callable[..., list[Any]]:
    """Everything a source yields, as a list."""

    def everything(
        source: Operator, resume: Resume | None = None, **parameters: Any
    ) -> list[Batch]:
        async def collect() -> list[Batch]:
            parts = source(resume=resume or Resume(), **parameters)
            return [part async for part in parts]

        return asyncio.run(collect())

    return everything


@pytest.fixture
def uneven() -> DenseFrames:
    """A scan of 4 × 6 frames of 18 × 30 pixels, off-centre, two frames of it empty."""
    y, x = np.mgrid[:18, :30]
    rates = 6 * np.exp(-((y - 5) ** 2 + (x - 21) ** 2) / 20)
    data = np.random.default_rng(3).poisson(rates, (24, 18, 30)).astype(np.uint16)
    data[[4, 17]] = 0
    return DenseFrames(scan=Scan("uneven", (4, 6)), start=0, stop=24, total=24, data=data)
