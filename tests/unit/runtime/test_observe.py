"""Logs and metrics: what is written, what is kept out, what is counted."""

from __future__ import annotations

import io
import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from builder.kernel.clock import MovableClock
from runtime.observe.logs import LibraryFormatter, make_log
from runtime.observe.metrics import Metrics
from tests.support.service import START


def written(form: str = "json", level: str = "info", **event: Any) -> str:
    stream = io.BytesIO()
    log = make_log(MovableClock(START), form=form, level=level, stream=stream)
    log.info("something", **event)
    return stream.getvalue().decode()


def test_a_line_is_one_json_object_with_the_clocks_time():
    line = written(count=3, names=["a", "b"], at_once=timedelta(seconds=1))

    assert line.count("\n") == 1
    assert json.loads(line) == {
        "at": "2026-11-22T08:00:00.000Z",
        "event": "something",
        "level": "info",
        "count": 3,
        "names": ["a", "b"],
        "at_once": "PT1S",
    }


@pytest.mark.parametrize(
    "name", ["password", "new_password", "secret", "token", "Authorization".lower(), "cookie", "link"]
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_kept_out_by_name(form, name):
    line = written(form, **{name: "canary"})

    assert "canary" not in line
    assert "***" in line


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_value_cannot_forge_a_line(form):
    line = written(form, path='/x\n{"event":"forged"}\r\nforged')

    assert [part for part in line.splitlines() if part.startswith(('{"event":"forged"', "forged"))] == []


def test_nothing_below_the_level_is_written():
    assert written(level="warning") == ""


@pytest.mark.parametrize("form", ["json", "console"])
def test_libraries_write_the_same_shape(form):
    formatter = LibraryFormatter(MovableClock(START), form)
    try:
        raise ValueError("cause")
    except ValueError as error:
        record = logging.LogRecord(
            "uvicorn.error", logging.ERROR, "f", 1, "went %s", ("wrong",), (type(error), error, None)
        )
    line = formatter.format(record)

    assert "2026-11-22T08:00:00.000Z" in line
    assert "went wrong" in line
    assert "ValueError: cause" in line
    if form == "json":
        assert json.loads(line)["logger"] == "uvicorn.error"


def test_times_are_counted_in_buckets():
    metrics = Metrics(version="1.2", dialect="sqlite")
    for seconds in (0.0004, 0.003, 0.003, 100):
        metrics.answered("GET", "/x", 200, seconds)

    text = metrics.exposition().decode()

    for bound, count in [("0.001", 1), ("0.005", 3), ("60.0", 3), ("+Inf", 4)]:
        assert f'dougong_request_seconds_bucket{{le="{bound}",method="GET",route="/x"}} {count}.0' in text
    assert 'dougong_build_info{database="sqlite",version="1.2"} 1.0' in text
