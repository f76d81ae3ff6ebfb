"""Write the generated parts of the documentation, between ``<!-- name:start -->`` and ``<!-- name:end -->``.

``python3 dev.py docs`` writes, ``python3 dev.py docs --check`` only compares; the tests compare too, so a setting or
a command cannot be missing from the README.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dev

if TYPE_CHECKING:
    from builder.kernel.text import Language

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"


class MarkersMissing(Exception):
    """A document has no place for a part."""


def replace_part(document: str, name: str, text: str) -> str:
    """Put ``text`` between the markers of the part ``name``.

    Raises:
        MarkersMissing: the document has no such markers.
    """
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, found_start, rest = document.partition(start)
    _, found_end, after = rest.partition(end)
    if not found_start or not found_end:
        raise MarkersMissing(f"no {start} ... {end}")
    return f"{before}{start}\n{text}\n{end}{after}"


def command_list() -> str:
    """The developer commands with one line each, as ``make`` prints them."""
    width = max(map(len, dev.COMMANDS))
    lines = [f"make {name:<{width}}  {command.__doc__}" for name, command in dev.COMMANDS.items()]
    return "\n".join(["```text", *lines, "```"])


def settings_table() -> str:
    """A table of all settings: environment variable, default, meaning; taken from ``runtime.settings.Settings``."""
    if importlib.util.find_spec("runtime") is None or importlib.util.find_spec("runtime.settings") is None:
        return "*(none yet)*"
    from runtime.settings import Settings

    prefix = str(Settings.model_config.get("env_prefix") or "")
    rows = [
        f"| `{_variable(prefix, name, field)}` | {_default(field)} | {_cell(field.description or '')} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _variable(prefix: str, name: str, field: Any) -> str:
    alias = field.validation_alias
    return (alias if isinstance(alias, str) else prefix + name).upper()


def _default(field: Any) -> str:
    if field.is_required():
        return "(required)"
    value = field.get_default(call_default_factory=True)
    if hasattr(value, "get_secret_value"):
        value = value.get_secret_value()
    if value is None or value in ("", (), [], {}):
        return ""
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, tuple | list):
        value = ",".join(map(str, value))
    elif isinstance(value, Path):
        value = value.as_posix()
    return f"`{_cell(str(value))}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def problems_table(language: Language) -> str:
    """The codes of problems that the API of an app answers with."""
    from builder.kernel.problems import CODES
    from runtime.api.openapi_problems import of_records

    heads = {"zh": ("代码", "状态", "含义"), "en": ("code", "status", "meaning")}[language]
    rows = [
        f"| `{code}` | {row.status} | {_cell(row.title.pick(language))} |"
        for code, row in sorted(CODES.items(), key=lambda item: (item[1].status, item[0]))
        if of_records(code)
    ]
    return "\n".join([f"| {' | '.join(heads)} |", "|---|---|---|", *rows])


def limits_table(language: Language) -> str:
    """The limits of the API with their numbers; taken from ``builder.kernel.limit_rows``."""
    from builder.kernel.limit_rows import ROWS

    heads = {"zh": ("限制", "数值", "超出时"), "en": ("limit", "number", "beyond it")}[language]
    rows = [f"| {_cell(row.what.pick(language))} | {row.value:,} | `{row.code}` |" for row in ROWS]
    return "\n".join([f"| {' | '.join(heads)} |", "|---|---|---|", *rows])


def _api_guide(language: Language) -> dict[str, Callable[[], str]]:
    return {"problems": lambda: problems_table(language), "limits": lambda: limits_table(language)}


PARTS: dict[Path, dict[str, Callable[[], str]]] = {
    README: {"commands": command_list, "settings": settings_table},
    ROOT / "docs" / "api.en.md": _api_guide("en"),
    ROOT / "docs" / "api.zh.md": _api_guide("zh"),
}


def package_schema_text() -> str:
    """The JSON Schema of an app package, for editors (point ``json.schemas`` of VS Code at it)."""
    from builder.definition.schema import package_schema
    from builder.kernel.canonical import dump_pretty

    return dump_pretty(package_schema())


def functions_page(language: str) -> Callable[[], str]:
    """The page of all functions of formulas in a language."""

    def page() -> str:
        from formulas.reference import markdown

        return markdown(language)

    return page


WHOLE: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "formulas" / "functions.md": functions_page("en"),
    ROOT / "docs" / "formulas" / "functions.zh.md": functions_page("zh"),
    ROOT / "docs" / "schema" / "app-package.schema.json": package_schema_text,
}
"""Files that are generated as a whole."""


def current(path: Path) -> str | None:
    """What a file reads like; None if it is not there."""
    return path.read_text(encoding="utf-8") if path.exists() else None


def written(path: Path) -> str:
    """What a file should read like now."""
    if path in WHOLE:
        return WHOLE[path]()
    document = path.read_text(encoding="utf-8")
    for name, make in PARTS[path].items():
        document = replace_part(document, name, make())
    return document


def main(arguments: list[str]) -> int:
    """Write or (``--check``) compare; 1 when a comparison finds a difference."""
    stale = [path for path in (*PARTS, *WHOLE) if current(path) != written(path)]
    for path in stale:
        if "--check" in arguments:
            print(f"{path.relative_to(ROOT)} is stale: run `python3 dev.py docs`")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(written(path), encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
