"""Holding a running server against its own OpenAPI document with schemathesis."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

JSON = Any

# A request that fits its schema may still break a rule that no schema says: a reference to nothing, an unknown name, a pattern of a cursor.
_FINE = ["2xx", "304", "400", "401", "403", "404", "409", "412", "416", "422"]
# 413: more items than are taken at once
_REFUSED = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429"]
_ENDLESS = {"streamEvents"}
_PHASES = (Phase.explicit, Phase.generate)


class Contract:
    """A document and the server that shall keep it."""

    def __init__(self, document: Mapping[str, JSON], base_url: str, headers: Mapping[str, str]) -> None:
        self.base_url = base_url
        self.headers = dict(headers)
        checks = {
            "positive_data_acceptance": {"expected-statuses": _FINE},
            "negative_data_rejection": {"expected-statuses": _REFUSED},
        }
        config = SchemathesisConfig.from_dict({"headers": self.headers, "checks": checks})
        strict = copy.deepcopy(dict(document))
        strict.pop("security")  # who may is tested elsewhere: here everybody knows the token
        for path in strict["paths"].values():
            for operation in path.values():
                if isinstance(operation, dict):  # every status has to be listed: what is not is a finding
                    operation.get("responses", {}).pop("default", None)
        self.schema = schemathesis.openapi.from_dict(strict, config=config)
        self.schema.config.update(base_url=base_url)

    def findings(
        self, examples: int, *, seed: int | None = None, only: str = "", fitting_only: bool = False
    ) -> Iterator[str]:
        """Yield what is wrong, operation by operation, with requests that fit the document and with such that do not."""
        modes = (GenerationMode.POSITIVE,) if fitting_only else (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for result in self.schema.get_all_operations():
            assert isinstance(result, Ok), result
            operation = result.ok()
            name = operation.definition.raw.get("operationId", "")
            if name in _ENDLESS or not re.search(only, name):
                continue
            for mode in modes:
                yield from self._tried(operation, mode, examples, seed)

    def _tried(self, operation: Any, mode: GenerationMode, examples: int, seed: int | None) -> Iterator[str]:
        found: list[str] = []

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=seed is None,
            phases=_PHASES,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            if isinstance(case.query, dict) and "wait" in case.query:
                case.query["wait"] = 0  # waiting is tested elsewhere
            try:
                case.call_and_validate()
            except schemathesis.errors.SchemathesisError as error:
                found.append(f"{operation.label} ({mode.value}): {error}")
            except BaseExceptionGroup as errors:
                found.append(f"{operation.label} ({mode.value}): " + "\n".join(map(str, errors.exceptions)))

        try:
            check()
        except Exception as error:  # noqa: BLE001 - nothing can be generated for it, such as a request that breaks no rule
            if "Unsatisfiable" not in type(error).__name__ and "SkipTest" not in type(error).__name__:
                found.append(f"{operation.label} ({mode.value}): {type(error).__name__}: {error}")
        yield from found

    def walk(self, examples: int, steps: int) -> None:
        """Follow links from answer to request: what was created is read, changed, deleted and looked for afterwards."""
        schema, headers = self.schema, self.headers

        class Walk(schema.as_state_machine()):  # type: ignore[misc]
            def get_call_kwargs(self, case: Any) -> dict[str, Any]:
                if isinstance(case.query, dict) and "wait" in case.query:
                    case.query["wait"] = 0
                return {"headers": headers}

        Walk.run(
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                derandomize=True,
                phases=_PHASES,
                suppress_health_check=list(HealthCheck),
            )
        )
