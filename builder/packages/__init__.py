"""App packages: a folder, one JSON or a zip of the same value; templates and sample records."""

from __future__ import annotations

from builder.packages.archive import read_zip, write_zip
from builder.packages.folder import read_folder, write_folder
from builder.packages.package import DEPARTMENTS, USERS, Package
from builder.packages.people import People, SampleDepartment, SampleUser, read_people
from builder.packages.sample import Batch, Later, Sample, read_sample
from builder.packages.single import dump_package, parse_package, read_json, write_json
from builder.packages.templates import TemplateInfo, get_template, list_templates

ZIP_MEDIA_TYPE = "application/zip"
_ZIP_TYPES = (ZIP_MEDIA_TYPE, "application/x-zip-compressed")
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")


def read_package(body: bytes, media_type: str | None = None) -> Package:
    """Read a package from a zip or from one JSON text: by its media type, else by its first bytes.

    Raises:
        Problem: ``package.invalid`` or ``package.too_large``.
    """
    essence = (media_type or "").partition(";")[0].strip().lower()
    if essence in _ZIP_TYPES or (essence != "application/json" and body.startswith(_ZIP_STARTS)):
        return read_zip(body)
    return read_json(body)


__all__ = [
    "DEPARTMENTS",
    "USERS",
    "ZIP_MEDIA_TYPE",
    "Batch",
    "Later",
    "Package",
    "People",
    "Sample",
    "SampleDepartment",
    "SampleUser",
    "TemplateInfo",
    "dump_package",
    "get_template",
    "list_templates",
    "parse_package",
    "read_folder",
    "read_json",
    "read_package",
    "read_people",
    "read_sample",
    "read_zip",
    "write_folder",
    "write_json",
    "write_zip",
]
