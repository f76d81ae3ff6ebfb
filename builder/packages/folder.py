"""The folder form of a package: what people keep in git."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path

from builder.packages.package import Package, refuse_package
from builder.packages.tree import FOLDERS, Bounds, dump_tree, is_litter, parse_tree


def read_folder(folder: Traversable) -> Package:
    """Read a package from a folder (a ``Path`` or a resource). Hidden files and ``README.md`` are passed over.

    Raises:
        Problem: ``package.invalid`` or ``package.too_large``.
    """
    if not folder.is_dir():
        raise refuse_package("folder", f"没有文件夹 {folder.name}", f"There is no folder {folder.name}")
    bounds = Bounds()
    return parse_tree({name: _read(file, bounds) for name, file in _walk(folder, "", bounds)})


def _walk(folder: Traversable, prefix: str, bounds: Bounds) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = f"{prefix}{entry.name}"
        if is_litter(name):
            continue
        bounds.count_file()
        if isinstance(entry, Path) and entry.is_symlink():
            raise refuse_package("link", "应用包中不能有符号链接", "A package holds no symbolic links", name)
        if entry.is_dir():
            yield from _walk(entry, f"{name}/", bounds)
        else:
            yield name, entry


def _read(file: Traversable, bounds: Bounds) -> bytes:
    with file.open("rb") as stream:
        content = stream.read(bounds.bytes_left + 1)
    bounds.count_bytes(len(content))
    return content


def write_folder(package: Package, folder: Path) -> None:
    """Write a package into a folder, made if need be. Documents and samples that left the package are removed; other files stay."""
    files = dump_tree(package)
    for stale in _stale(folder, set(files)):
        stale.unlink()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _stale(folder: Path, kept: set[str]) -> list[Path]:
    found = [path for name, suffix in FOLDERS.items() for path in (folder / name).glob(f"*{suffix}")]
    return [path for path in found if path.relative_to(folder).as_posix() not in kept]
