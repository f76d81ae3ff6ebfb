"""Workbooks made to harm: entities, bombs, and a few bytes that name a cell at the far end of the sheet."""

from __future__ import annotations

import csv
import io
import zipfile

import pytest

from builder.kernel.limits import SHEET_COLUMNS, SHEET_ROWS
from builder.kernel.problems import Problem
from runtime.api.csv_lines import csv_line
from runtime.imports.sheets import read_sheet

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def _relations(kind: str, target: str) -> str:
    one = f'<Relationship Id="r1" Type="{_OFFICE}/{kind}" Target="{target}"/>'
    return f'<Relationships xmlns="{_RELATIONS}">{one}</Relationships>'


_SHEETS = '<sheets><sheet name="S" sheetId="1" r:id="r1"/></sheets>'
_PARTS = {
    "_rels/.rels": _relations("officeDocument", "xl/workbook.xml"),
    "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">{_SHEETS}</workbook>',
    "xl/_rels/workbook.xml.rels": _relations("worksheet", "worksheets/s.xml"),
}


def workbook(cells: dict[str, str], doctype: str = "") -> bytes:
    """A workbook with texts in some cells, each in a row of its own."""
    rows = "".join(
        f'<row r="{place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")}"><c r="{place}" t="inlineStr"><is><t>{text}</t></is></c></row>'
        for place, text in cells.items()
    )
    sheet = f'<?xml version="1.0"?>{doctype}<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in {**_PARTS, "xl/worksheets/s.xml": sheet}.items():
            archive.writestr(name, text)
    return written.getvalue()


def refused(content: bytes) -> Problem:
    with pytest.raises(Problem) as raised:
        read_sheet(content)
    return raised.value


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_goes_out_as_a_formula_and_it_comes_back_as_it_was_CVE_2022_22121(start: str) -> None:
    """Wide signs too: a spreadsheet of a Chinese or Japanese system takes them for the narrow ones."""
    cell = f"{start}HYPERLINK(1)"
    line = csv_line(["name", cell]).decode()
    assert next(csv.reader(io.StringIO(line, newline=""))) == ["name", "'" + cell]
    [row] = read_sheet(b"a,b\r\n" + line.encode()).rows
    assert row.cells[1] == cell.strip()


def test_what_is_no_harm_is_read_from_the_line_and_column_it_stands_in() -> None:
    sheet = read_sheet(workbook({"A1": "name", "A3": "x"}))
    assert (sheet.header, [(row.line, row.cells) for row in sheet.rows]) == (("name",), [(3, ("x",))])
    assert read_sheet(workbook({"B2": "name"})).header == ("", "name")
    assert len(read_sheet(workbook({"A1": "name", f"A{SHEET_ROWS + 1}": "x"})).rows) == 1


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE x [<!ENTITY a "' + "a" * 1000 + '"><!ENTITY x "' + "&a;" * 1000 + '">]>',
    ],
    ids=["from a file", "that multiplies"],
)
def test_an_entity_is_not_read_CVE_2017_5992(doctype: str) -> None:
    assert refused(workbook({"A1": "name", "A2": "&x;"}, doctype)).code == "import.unreadable"


@pytest.mark.parametrize("place", ["XFD1048576", f"XFD{SHEET_ROWS}", f"A{SHEET_ROWS + 2}", "ZZ3"])
def test_a_cell_far_out_takes_no_memory_and_ends_no_server(place: str) -> None:
    """Its reader would take memory for every cell before it; as part of the service it took the service along."""
    content = workbook({"A1": "name", place: "x"})
    assert len(content) < 3_000
    assert refused(content).code == "import.too_large"


def test_more_columns_than_a_sheet_may_have_are_named() -> None:
    assert str(SHEET_COLUMNS) in refused(workbook({"A1": "name", "ZZ3": "x"})).detail.en


def test_a_bomb_is_refused_before_it_is_unpacked_GHSA_2wfh_rcwf_wh23() -> None:
    assert refused(workbook({"A1": "a" * 50_000_000})).code == "import.too_large"
