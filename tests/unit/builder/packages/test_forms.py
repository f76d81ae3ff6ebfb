"""The three forms of a package: one value, the same bytes for the same value, and every error told at once."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from builder.kernel import limits
from builder.kernel.problems import Problem
from builder.packages import (
    Package,
    archive,
    folder,
    read_folder,
    read_json,
    read_package,
    read_zip,
    tree,
    write_folder,
    write_json,
    write_zip,
)

APP = {"key": "shop", "label": {"zh": "门店", "en": "Shop"}}
CUSTOMER = {"key": "customer", "label": "客户", "fields": [{"key": "name", "type": "text", "label": "名称"}]}


@pytest.fixture
def package() -> Package:
    text = json.dumps({"app": APP, "entities": [CUSTOMER], "sample": {"customer": "id,name\nc1,甲\n"}})
    return read_json(text.encode())


def zipped(*entries: tuple[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def files(package: Package) -> list[tuple[str, bytes]]:
    return list(tree.dump_tree(package).items())


def refused(body: bytes) -> Problem:
    with pytest.raises(Problem) as caught:
        read_package(body)
    return caught.value


def codes(problem: Problem) -> list[tuple[Any, str, str]]:
    return [(v.params.get("file"), v.pointer, v.code) for v in problem.violations]


def test_every_form_reads_as_it_was_written(package, tmp_path):
    write_folder(package, tmp_path / "shop")
    assert read_folder(tmp_path / "shop") == package
    assert read_json(write_json(package)) == package
    assert read_zip(write_zip(package)) == package
    assert read_package(write_zip(package)) == read_package(write_json(package)) == package


def test_equal_packages_give_equal_bytes(package):
    other = read_json(write_json(package))
    assert write_zip(package) == write_zip(other)
    assert write_json(package) == write_json(other)


def test_folder_holds_a_file_for_each_document(package, tmp_path):
    write_folder(package, tmp_path)
    found = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert found == ["app.json", "entities/customer.json", "sample/customer.csv"]
    assert (tmp_path / "sample/customer.csv").read_text(encoding="utf-8") == "id,name\nc1,甲\n"


def test_writing_over_a_folder_removes_what_left_the_package_and_nothing_else(package, tmp_path):
    for name in ("entities/old.json", "sample/old.csv", "README.md", ".gitignore", "entities/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x", encoding="utf-8")
    write_folder(package, tmp_path)
    assert not (tmp_path / "entities/old.json").exists()
    assert not (tmp_path / "sample/old.csv").exists()
    assert (tmp_path / "README.md").exists()
    assert (tmp_path / ".gitignore").exists()
    assert (tmp_path / "entities/notes.txt").exists()


def test_notes_hidden_files_and_litter_are_passed_over(package, tmp_path):
    write_folder(package, tmp_path)
    for name in ("README.md", ".git", "entities/.DS_Store", "Thumbs.db"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert read_folder(tmp_path) == package
    litter = [("__MACOSX/._app.json", b"x"), ("entities/.DS_Store", b"x")]
    assert read_zip(zipped(*files(package), *litter)) == package


def test_zip_with_one_folder_around_everything(package):
    assert read_zip(zipped(*((f"shop/{name}", content) for name, content in files(package)))) == package


def test_errors_of_all_files_come_at_once_and_name_their_file():
    problem = refused(
        zipped(
            (
                "entities/lead.json",
                '{"key": "lead", "label": "x", "fields": [{"key": "a", "type": "txt", "label": "A"}]}',
            ),
            ("entities/broken.json", "{"),
            ("entities/other.json", json.dumps({**CUSTOMER, "lable": "y"})),
            ("entitees/x.json", "{}"),
            ("sample/leed.csv", "id"),
            ("sample/lead.csv", b"\xff\xfe"),
            ("entities/deep/x.json", "{}"),
            ("notes.txt", ""),
        )
    )
    assert problem.code == "package.invalid"
    assert sorted(codes(problem), key=str) == sorted(
        [
            ("app.json", "", "required"),
            ("entities/lead.json", "/fields/0/type", "unknown"),
            ("entities/broken.json", "", "json"),
            ("entities/other.json", "/key", "file_name"),
            ("entities/other.json", "/lable", "unknown"),
            ("entitees/x.json", "", "unknown"),
            ("sample/leed.csv", "", "unknown"),
            ("sample/lead.csv", "", "encoding"),
            ("entities/deep/x.json", "", "unknown"),
            ("notes.txt", "", "unknown"),
        ],
        key=str,
    )
    hints = {v.params["file"]: v.message.en for v in problem.violations}
    assert 'did you mean "entities"' in hints["entitees/x.json"]
    assert 'did you mean "lead"' in hints["sample/leed.csv"]
    assert all(v.message.zh and v.message.en for v in problem.violations)


def test_a_document_without_a_key_is_called_like_its_file():
    package = read_zip(zipped(("app.json", json.dumps(APP)), ("entities/customer.json", '{"label": "客户"}')))
    assert [entity.key for entity in package.definition.entities] == ["customer"]


def test_one_json_reports_from_its_root():
    problem = refused(
        json.dumps(
            {"app": APP, "entities": [CUSTOMER, CUSTOMER], "sampel": {}, "sample": {"customr": "", "customer": 5}}
        ).encode()
    )
    assert sorted(codes(problem), key=str) == [
        ("sample/customr.csv", "/sample/customr", "unknown"),
        (None, "/entities", "duplicate"),
        (None, "/sampel", "unknown"),
        (None, "/sample/customer", "type"),
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"{", b"\xff", b"PK\x03\x04 not a zip", b"PK\x05\x06" + b"\0" * 18])
def test_what_is_no_package_is_refused(body):
    assert refused(body).code == "package.invalid"


def test_the_byte_order_mark_of_editors_is_no_error(package):
    assert read_json(b"\xef\xbb\xbf" + write_json(package)) == package
    marked = [
        (name, b"\xef\xbb\xbf" + content if name.endswith(".json") else content) for name, content in files(package)
    ]
    assert read_zip(zipped(*marked)) == package


def test_the_media_type_decides_before_the_first_bytes(package):
    assert read_package(write_zip(package), "application/zip; x=y") == package
    with pytest.raises(Problem, match=r"package\.invalid"):
        read_package(write_zip(package), "application/json")
    with pytest.raises(Problem, match=r"package\.invalid"):
        read_package(write_json(package), "application/zip")


@pytest.mark.parametrize(
    "name", ["/app.json", "../app.json", "entities/../../x.json", "c:/app.json", "a\\b.json", "./app.json", "a//b.json"]
)
def test_unsafe_names_in_a_zip_are_refused_CVE_2026_54352_CVE_2026_55852(name):
    info = zipfile.ZipInfo("x")
    info.filename = name  # the constructor would tidy it
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(info, "{}")
    assert [v.code for v in refused(buffer.getvalue()).violations] == ["name"]


def test_links_encryption_duplicates_and_other_compressions_are_refused(package):
    link = zipfile.ZipInfo("entities/customer.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert [v.code for v in refused(buffer.getvalue()).violations] == ["link"]

    locked = bytearray(zipped(("app.json", "{}")))
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    assert [v.code for v in refused(bytes(locked)).violations] == ["encrypted"]

    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zipped(("app.json", "{}"), ("app.json", "{}"))
    assert [v.code for v in refused(twice).violations] == ["duplicate"]

    squeezed = zipped(*files(package), method=zipfile.ZIP_LZMA)
    assert [v.code for v in refused(squeezed).violations] == ["compression"]


def test_a_damaged_file_in_a_zip_is_refused():
    body = zipped(("app.json", "{}" + " " * 100), method=zipfile.ZIP_STORED)
    assert refused(body.replace(b"{} ", b"[] ")).code == "package.invalid"


def test_bytes_are_counted_while_reading_and_not_taken_from_the_header(monkeypatch):
    monkeypatch.setattr(tree, "PACKAGE_BYTES", 1000)
    assert refused(zipped(("app.json", " " * 600), ("entities/a.json", " " * 600))).code == "package.too_large"
    lying = bytearray(zipped(("app.json", bytes(range(256)) * 8)))
    at = lying.index(b"PK\x01\x02") + 24
    lying[at : at + 4] = (10).to_bytes(4, "little")
    assert refused(bytes(lying)).code in ("package.too_large", "package.invalid")


def test_too_many_files_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(tree, "PACKAGE_FILES", 5)
    names = [f"entities/a{number}.json" for number in range(6)]
    assert refused(zipped(*((name, "{}") for name in names))).code == "package.too_large"
    (tmp_path / "entities").mkdir()
    for name in names:
        (tmp_path / name).write_text("{}", encoding="utf-8")
    with pytest.raises(Problem, match=r"package\.too_large"):
        read_folder(tmp_path)


def test_a_flood_of_entries_is_refused_before_they_are_listed(monkeypatch):
    monkeypatch.setattr(archive, "PACKAGE_FILES", 10)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    assert refused(b"PK\x03\x04" + b"PK\x01\x02" * 21).code == "package.too_large"


def test_a_compression_bomb_is_refused_GHSA_2wfh_rcwf_wh23():
    bomb = zipped(("sample/customer.csv", b"0" * 20_000_000))
    assert len(bomb) < 50_000
    assert refused(bomb).code == "package.too_large"


def test_bodies_above_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr(archive, "PACKAGE_BYTES", 100)
    monkeypatch.setattr("builder.packages.single.PACKAGE_BYTES", 100)
    assert refused(b"PK\x03\x04" + b"x" * 100).code == "package.too_large"
    assert refused(b"{" + b" " * 100).code == "package.too_large"
    assert limits.PACKAGE_BYTES == 64 * 1024 * 1024


def test_links_in_a_folder_are_refused(package, tmp_path):
    write_folder(package, tmp_path)
    (tmp_path / "entities/x.json").symlink_to(tmp_path / "app.json")
    with pytest.raises(Problem) as caught:
        read_folder(tmp_path)
    assert codes(caught.value) == [("entities/x.json", "", "link")]


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(Problem, match=r"package\.invalid"):
        folder.read_folder(Path(tmp_path / "nowhere"))
