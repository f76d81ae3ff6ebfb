"""What files are, by their first bytes."""

from __future__ import annotations

import io
import zipfile

import hypothesis.strategies as st
import pytest
from hypothesis import given

from runtime.files.names import clean_name, disposition, name_of_disposition
from runtime.files.sniffing import DOCX, XLSX, Sample, is_disguised, sniff
from tests.support.contents import HTML, PDF, SVG, WAV, jpeg, png


def office(folder: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr(f"{folder}/document.xml", "<x/>")
    return written.getvalue()


def kind_of(content: bytes, name: str = "") -> str:
    return sniff(Sample(content[:65536], content[-65536:]), name)


@pytest.mark.parametrize(
    "content, name, kind",
    [
        (png(), "", "image/png"),
        (jpeg(2, 2), "", "image/jpeg"),
        (b"GIF89a" + bytes(10), "", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "", "image/webp"),
        (WAV, "", "audio/wav"),
        (b"ID3\x04" + bytes(10), "", "audio/mpeg"),
        (b"\xff\xfb\x90\x00" + bytes(10), "", "audio/mpeg"),
        (b"OggS" + bytes(24) + b"OpusHead", "", "audio/ogg"),
        (b"#!AMR\n", "", "audio/amr"),
        (b"\x00\x00\x00\x20ftypM4A " + bytes(20), "", "audio/mp4"),
        (b"\x00\x00\x00\x20ftypiso5" + bytes(20) + b"hdlr\x00soun", "", "audio/mp4"),
        (b"\x00\x00\x00\x20ftypmp42" + bytes(20) + b"vide soun", "", "video/mp4"),
        (b"\x00\x00\x00\x18ftypheic" + bytes(20), "", "image/heic"),
        (b"\x1aE\xdf\xa3\x9fB\x86webm" + b"A_OPUS", "", "audio/webm"),
        (b"\x1aE\xdf\xa3\x9fB\x86webm" + b"V_VP9 A_OPUS", "", "video/webm"),
        (PDF, "", "application/pdf"),
        (office("word"), "", DOCX),
        (office("xl"), "", XLSX),
        (office("other"), "", "application/zip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.xls", "application/vnd.ms-excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "", "application/x-ole-storage"),
        ("客户,金额\n甲,1".encode(), "a.csv", "text/csv"),
        ("客户,金额\n甲,1".encode("gb18030"), "a.csv", "text/csv"),
        (b"\xef\xbb\xbfplain", "", "text/plain"),
        (b"{}", "a.json", "application/json"),
        (HTML, "a.txt", "text/html"),
        (b"\n <!-- a --> <IFRAME src=x>", "", "text/html"),
        (b"\xef\xbb\xbf<html>", "", "text/html"),
        (SVG, "", "image/svg+xml"),
        (b"<?xml version='1.0'?><a/>", "", "application/xml"),
        (b"MZ\x90", "", "application/x-msdownload"),
        (bytes(20), "", "application/octet-stream"),
        (b"", "", "application/octet-stream"),
    ],
)
def test_kinds(content, name, kind):
    assert kind_of(content, name) == kind


@given(st.binary(max_size=300), st.text(max_size=30))
def test_any_bytes_have_a_kind_and_any_name_is_shown_safely(content, name):
    kind = kind_of(content, name)
    assert "/" in kind
    is_disguised(name, kind)
    shown = clean_name(name)
    assert 0 < len(shown) <= 200
    assert not {"/", "\\", "\x00", "\n"} & set(shown)
    header = disposition(shown)
    assert b"\n" not in header
    assert header.count(b'"') == 2
    assert name_of_disposition(header.decode()) == shown


@pytest.mark.parametrize(
    "header, name",
    [
        (None, "file"),
        ("inline", "file"),
        ("attachment; filename=a.pdf", "a.pdf"),
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ('attachment; filename="a\\"b.pdf"', 'a"b.pdf'),
        ("attachment; filename=\"x.pdf\"; filename*=UTF-8''%E5%90%88%E5%90%8C.pdf", "合同.pdf"),
        ('form-data; name="f"; filename="合同.pdf"'.encode().decode("latin-1"), "合同.pdf"),
        ("attachment; filename*=UTF-8''%ff%fe.pdf", "��.pdf"),
    ],
)
def test_names_in_headers(header, name):
    assert name_of_disposition(header) == name
