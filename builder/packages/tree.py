"""A package as files: name -> content, which the folder and the zip share; read strictly, with all errors at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from builder.definition.kinds import BY_NAME, KINDS, Definition, Kind, assemble, dump_document
from builder.definition.parse import DocumentInvalid, parse_document
from builder.fields.base import Model, is_key
from builder.kernel.canonical import dump_pretty, parse_json
from builder.kernel.limits import PACKAGE_BYTES, PACKAGE_FILES
from builder.kernel.problems import Problem, Violation, nearest_hint
from builder.kernel.text import say
from builder.packages.package import SAMPLE_FOLDER, Package, in_file, invalid_package, unknown_sample

JSON = Any
Tree = Mapping[str, bytes]
"""File name with forward slashes, relative to the package, -> content."""

ROOT_FILES: tuple[str, ...] = tuple(f"{kind.name}.json" for kind in KINDS if kind.single)
FOLDERS: Mapping[str, str] = {**{kind.name: ".json" for kind in KINDS if not kind.single}, SAMPLE_FOLDER: ".csv"}
#: What operating systems leave behind in folders and archives.
_LITTER = ("__MACOSX", "Thumbs.db", "desktop.ini")


class Bounds:
    """Counts files and bytes while a package is read, and ends the reading at the limit."""

    def __init__(self) -> None:
        self._files = 0
        self._bytes = 0

    @property
    def bytes_left(self) -> int:
        """How many bytes may still be read."""
        return PACKAGE_BYTES - self._bytes

    def count_file(self) -> None:
        """Count a file.

        Raises:
            Problem: ``package.too_large``.
        """
        self._files += 1
        if self._files > PACKAGE_FILES:
            raise too_large(f"超过 {PACKAGE_FILES} 个文件", f"more than {PACKAGE_FILES} files")

    def count_bytes(self, count: int) -> None:
        """Count bytes that were read.

        Raises:
            Problem: ``package.too_large``.
        """
        self._bytes += count
        if self._bytes > PACKAGE_BYTES:
            limit = PACKAGE_BYTES // 1024**2
            raise too_large(f"解开后超过 {limit} MB", f"more than {limit} MB when unpacked")


def too_large(zh: str, en: str) -> Problem:
    """Return the problem of a package beyond a limit."""
    return Problem("package.too_large", say(f"应用包过大:{zh}", f"The app package is too large: {en}"))


def is_litter(name: str) -> bool:
    """Whether a file or folder is passed over: hidden ones, what systems leave behind, and notes for people."""
    parts = name.split("/")
    if any(part.startswith(".") or part in _LITTER for part in parts):
        return True
    return len(parts) == 1 and name.lower().startswith("readme") and name.lower().endswith(".md")


def parse_tree(tree: Tree) -> Package:
    """Read a package from its files.

    Raises:
        Problem: ``package.invalid`` with every violation of every file; ``params["file"]`` names it.
    """
    reading = _Reading()
    for name in sorted(tree):
        if not is_litter(name):
            reading.take(name, tree[name])
    return reading.finish()


class _Place(NamedTuple):
    folder: str
    stem: str


class _Reading:
    """One pass over the files of a package."""

    def __init__(self) -> None:
        self._documents: list[Model] = []
        self._singles: set[str] = set()
        self._entities: list[str] = []
        self._sample: dict[str, str] = {}
        self._violations: list[Violation] = []

    def take(self, name: str, content: bytes) -> None:
        """Read one file."""
        place = _place(name)
        if place is None:
            self._violations.append(_unknown_file(name))
        elif place.folder == SAMPLE_FOLDER:
            self._take_sample(name, place.stem, content)
        else:
            self._take_document(name, place, content)

    def _take_sample(self, name: str, stem: str, content: bytes) -> None:
        try:
            self._sample[stem] = content.decode("utf-8")
        except UnicodeDecodeError:
            message = say("不是 UTF-8 编码,请另存为“CSV UTF-8”", 'Not UTF-8; save it as "CSV UTF-8"')
            self._violations.append(in_file(Violation("encoding", "", message), name))

    def _take_document(self, name: str, place: _Place, content: bytes) -> None:
        kind = BY_NAME[place.folder or place.stem]
        if kind.single:
            self._singles.add(kind.name)
        elif kind.name == "entities":
            self._entities.append(place.stem)
        try:
            self._documents.append(_parse_file(kind, place, content))
        except DocumentInvalid as invalid:
            self._violations += [in_file(violation, name) for violation in invalid.violations]

    def finish(self) -> Package:
        """Put the package together, or raise everything that was found."""
        for kind in KINDS:
            if kind.single and kind.name not in self._singles:
                file = f"{kind.name}.json"
                self._violations.append(
                    in_file(Violation("required", "", say("缺少此文件", "The file is missing")), file)
                )
        for name in self._sample:
            found = unknown_sample(name, self._entities, f"{SAMPLE_FOLDER}/{name}.csv")
            if found:
                self._violations.append(found)
        if self._violations:
            raise invalid_package(self._violations)
        return Package(assemble(self._documents), self._sample)


def _place(name: str) -> _Place | None:
    if name in ROOT_FILES:
        return _Place("", name.removesuffix(".json"))
    folder, _, file = name.partition("/")
    suffix = FOLDERS.get(folder)
    if suffix is None or "/" in file or not file.endswith(suffix):
        return None
    return _Place(folder, file.removesuffix(suffix))


def _unknown_file(name: str) -> Violation:
    folder, slash, file = name.partition("/")
    suffix = FOLDERS.get(folder)
    if suffix is not None:
        wanted = f"{folder}/*{suffix}"
        message = say(f"这里只能放 {wanted}", f"Only {wanted} belongs here")
    elif slash:
        hint = nearest_hint(folder, FOLDERS)
        message = say(f"应用包中没有文件夹“{folder}”{hint.zh}", f'A package has no folder "{folder}"{hint.en}')
    else:
        hint = nearest_hint(file or name, ROOT_FILES)
        message = say(f"应用包中没有文件“{name}”{hint.zh}", f'A package has no file "{name}"{hint.en}')
    return in_file(Violation("unknown", "", message), name)


def _parse_file(kind: Kind[Any], place: _Place, content: bytes) -> Model:
    document = _parse_content(content)
    parsed: Model | None
    if kind.single or not isinstance(document, dict):
        parsed = parse_document(kind, document)
        return parsed
    if "key" not in document and is_key(place.stem):
        document = {"key": place.stem, **document}
    parsed = None
    violations: list[Violation] = []
    try:
        parsed = parse_document(kind, document)
    except DocumentInvalid as invalid:
        violations += invalid.violations
    key = document.get("key")
    if isinstance(key, str) and key != place.stem:
        message = say(f"文件名应与键相同:{key}.json", f"The file's name must be the key: {key}.json")
        violations.append(Violation("file_name", "/key", message))
    if parsed is None or violations:
        raise DocumentInvalid(violations)
    return parsed


def _parse_content(content: bytes) -> JSON:
    try:
        return parse_json(content.removeprefix(b"\xef\xbb\xbf"))
    except Problem as problem:
        raise DocumentInvalid([Violation("json", "", problem.detail)]) from None


def dump_tree(package: Package) -> dict[str, bytes]:
    """Write a package as files, in the order of their names; equal packages give equal bytes."""
    files = {**_dump_documents(package.definition), **_dump_sample(package.sample)}
    return dict(sorted(files.items()))


def _dump_documents(definition: Definition) -> dict[str, bytes]:
    files = {}
    for identity, document in definition.documents():
        single = BY_NAME[identity.kind].single
        name = f"{identity.kind}.json" if single else f"{identity.kind}/{identity.key}.json"
        files[name] = dump_pretty(dump_document(document)).encode()
    return files


def _dump_sample(sample: Mapping[str, str]) -> dict[str, bytes]:
    return {f"{SAMPLE_FOLDER}/{name}.csv": text.encode() for name, text in sample.items()}
