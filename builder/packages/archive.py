"""The zip form of a package, read without unpacking it anywhere and without believing its headers."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from builder.kernel.limits import PACKAGE_BYTES, PACKAGE_FILES, PACKAGE_RATIO
from builder.packages.package import Package, refuse_package
from builder.packages.tree import ROOT_FILES, Bounds, dump_tree, is_litter, parse_tree, too_large

_CENTRAL_HEADER = b"PK\x01\x02"
_CHUNK_BYTES = 64 * 1024
_RATIO_FROM_BYTES = 1024**2  # small files may compress as well as they like
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEVEL = 9
# beside its own error the library lets these through on headers it did not foresee
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)


def read_zip(body: bytes) -> Package:
    """Read a package from a zip. One folder around everything, as file managers make it, is passed through.

    Raises:
        Problem: ``package.invalid`` (not a zip, unsafe names, links, encryption, broken documents) or ``package.too_large``.
    """
    if len(body) > PACKAGE_BYTES:
        limit = PACKAGE_BYTES // 1024**2
        raise too_large(f"超过 {limit} MB", f"more than {limit} MB")
    if body.count(_CENTRAL_HEADER) > PACKAGE_FILES * 2:  # before the library builds an object for each
        raise too_large(f"超过 {PACKAGE_FILES} 个文件", f"more than {PACKAGE_FILES} files")
    with _readable(), zipfile.ZipFile(io.BytesIO(body)) as archive:
        return parse_tree(_without_wrapper(_read_entries(archive)))


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise refuse_package("zip", f"不是可读的 zip 文件:{error}", f"Not a readable zip file: {error}") from None


def _read_entries(archive: zipfile.ZipFile) -> dict[str, bytes]:
    bounds = Bounds()
    tree: dict[str, bytes] = {}
    for info in archive.infolist():
        bounds.count_file()
        _refuse_entry(info)
        if info.is_dir() or is_litter(info.filename):
            continue
        if info.filename in tree:
            raise refuse_package("duplicate", "文件出现两次", "The file occurs twice", info.filename)
        tree[info.filename] = _read_entry(archive, info, bounds)
    return tree


def _refuse_entry(info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    parts = name.rstrip("/").split("/")
    if name.startswith("/") or "\\" in name or ":" in name or "\0" in name or any(p in ("", ".", "..") for p in parts):
        raise refuse_package("name", "文件名不安全", "Unsafe file name", repr(name)[1:-1])
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refuse_package("link", "只能包含普通文件", "Only plain files belong in a package", name)
    if info.flag_bits & _ENCRYPTED:
        raise refuse_package("encrypted", "文件已加密", "The file is encrypted", name)
    if info.compress_type not in _METHODS:
        raise refuse_package("compression", "只支持 Deflate 压缩", "Only deflate compression is supported", name)


def _read_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, bounds: Bounds) -> bytes:
    chunks: list[bytes] = []
    count = 0
    with archive.open(info) as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            count += len(chunk)
            bounds.count_bytes(len(chunk))
            if count > _RATIO_FROM_BYTES and count > info.compress_size * PACKAGE_RATIO:
                name = info.filename
                raise too_large(f"{name} 的压缩率过高", f"{name} is compressed too well to be trusted")
            chunks.append(chunk)
    return b"".join(chunks)


def _without_wrapper(tree: dict[str, bytes]) -> dict[str, bytes]:
    tops = {name.partition("/")[0] for name in tree}
    if len(tops) == 1 and any(f"{top}/{file}" in tree for top in tops for file in ROOT_FILES):
        return {name.partition("/")[2]: content for name, content in tree.items()}
    return tree


def write_zip(package: Package) -> bytes:
    """Write a package as a zip: sorted names, fixed times, so that equal packages give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in dump_tree(package).items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # the same on every system
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content, compresslevel=_LEVEL)
    return buffer.getvalue()
