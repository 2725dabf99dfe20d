"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from octavo.errors import OutputError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_TEMPORARY = re.compile(r"\.octavo-[0-9a-f]{16}(\.\w+)?")
_ABANDONED_SECONDS = 24 * 3600
_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR}


def write_whole(path: str | os.PathLike[str], content: bytes) -> Path:
    """Write a file as `whole_file` does.

    Args:
        path: The file's place.
        content: All of its bytes.

    Returns:
        The path.

    Raises:
        OutputError: as `whole_file`.
    """
    with whole_file(path, f"room for {len(content)} bytes") as beside:
        beside.write_bytes(content)
    return Path(path)


@contextmanager
def whole_file(path: str | os.PathLike[str], room: str = "room for the file") -> Iterator[Path]:
    """Fill a file beside its place under another name, which is then flushed to the disk and renamed over it.

    Whoever reads `path` sees the old content or the new, never a part; if anything fails the old file stays.

    Args:
        path: The file's place. A symbolic link is followed, and the file it points to replaced.
        room: What a full disk would have to offer, for the error.

    Yields:
        The place of the file to fill, which has the ending of `path`.

    Raises:
        OutputError: if the place is a folder or a device, its folder is missing or closed to us, or the disk is full.
    """
    with _beside(Path(path), room) as (target, beside):
        yield beside
        _sync(beside, os.O_RDWR)
        os.replace(beside, target)
        _sync_folder(target.parent)


def figures_beside(page: str | os.PathLike[str]) -> Path:
    """Where the figures of a page lie, as JSON.

    >>> figures_beside("reports/net.html").name
    'net.json'
    """
    return Path(page).with_suffix(".json")


def check_place(path: str | os.PathLike[str]) -> None:
    """Refuse a file's place that cannot be written to, before long work is done for it.

    Raises:
        OutputError: as `whole_file`.
    """
    with _beside(Path(path), "room for the file") as (_, beside):
        beside.touch()


def made_folder(path: Path) -> Path:
    """A folder, made if it is not there.

    Raises:
        OutputError: if it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"folder '{path}' cannot be made.",
            got=error.strerror or str(error),
            expected="a folder, or a place where one can be made",
            fix="name another folder",
        ) from error
    return path


@contextmanager
def _beside(place: Path, room: str) -> Iterator[tuple[Path, Path]]:
    """The file that `place` stands for, and a name beside it; what bears that name at the end is removed."""
    beside: Path | None = None
    try:
        target = _resolved(place)
        if target.exists() and not target.is_file():
            raise _not_a_file(place)
        _sweep(target.parent)
        beside = target.parent / f".octavo-{secrets.token_hex(8)}{target.suffix}"
        yield target, beside
    except OSError as error:
        raise _output_error(place, room, error) from error
    finally:
        if beside is not None:
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def _resolved(place: Path) -> Path:
    """Where symbolic links lead to; those that lead in a circle are an OSError as any other."""
    try:
        return place.resolve()
    except RuntimeError as error:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error


def _sweep(folder: Path) -> None:
    """Remove what runs that were killed left beside their files: our own, and of a day ago, so that none is at work."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                found = entry.stat(follow_symlinks=False)
                if time.time() - found.st_mtime > _ABANDONED_SECONDS and found.st_uid == _user():
                    with suppress(OSError):
                        os.unlink(entry.path)


def _user() -> int:
    """Who runs this process; Windows, where all files are of user 0, has no such number."""
    return os.getuid() if hasattr(os, "getuid") else 0


def _not_a_file(place: Path) -> OutputError:
    folder = place.is_dir()
    return OutputError(
        f"'{place}' cannot be replaced by a file.",
        got="a folder" if folder else "a device or pipe",
        expected="the path of a file, new or to be replaced",
        fix=f"name a file in it, such as '{place / 'model.tflite'}'" if folder else "name a file on a disk",
    )


def _sync_folder(folder: Path) -> None:
    """Flush the rename itself; where a folder cannot be opened (Windows) the system sees to it."""
    if os.name == "posix":
        _sync(folder, os.O_RDONLY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _output_error(path: Path, room: str, error: OSError) -> OutputError:
    if error.errno in _NO_ROOM:
        expected, fix = room, "free some space, or choose a folder on another disk"
    elif error.errno in _FORBIDDEN:
        expected, fix = (
            "a folder that may be written to",
            "choose another folder, or change the permissions of this one",
        )
    elif error.errno in _NO_FOLDER:
        expected, fix = "an existing folder", f"create it: mkdir -p '{path.parent}'"
    elif error.errno == errno.ELOOP:
        expected, fix = "a file, or a link to one", "name a file, or remove the links that lead in a circle"
    else:
        expected, fix = "a place the system accepts", "choose a shorter name, or a folder on another disk"
    return OutputError(f"'{path}' could not be written.", got=error.strerror or str(error), expected=expected, fix=fix)
