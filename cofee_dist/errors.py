"""The one exception that is the user's to mend."""

from __future__ import annotations

import errno
import sys
from pathlib import Path


class UserError(Exception):
    """A mistake that the user can mend: says what is wrong, where, and what to do.

    The command line prints it without a traceback and ends with exit code 2.
    """

    def __init__(self, what: str, *, where: object = None, fix: str | None = None) -> None:
        self.what, self.where, self.fix = what, where, fix
        lines = [what]
        if where is not None:
            lines.append(f"  where: {where}")
        if fix is not None:
            lines.append(f"  to do: {fix}")
        super().__init__("\n".join(lines))


#: Where a path is not what the user takes it for. Others (too many open files, a disk that fails) are no mistakes.
_OF_PATHS = {
    errno.ENOENT: "correct the path, or see what has removed it meanwhile",
    errno.EACCES: "give a path that you may read and write, or its rights",
    errno.EPERM: "give a path that you may read and write, or its rights",
    errno.EROFS: "give a folder on a disk that can be written",
    errno.ENOTDIR: "give a path whose folders are folders",
    errno.EISDIR: "give a file, not a folder",
    errno.EEXIST: "give another path, or move what is there",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.ELOOP: "give a path whose links do not go round",
}


def told_of_path(error: OSError) -> UserError | None:
    """What the system says of a path, told as a mistake; None where it is none, or lies in what is installed."""
    fix = _OF_PATHS.get(error.errno or 0)
    if fix is None or not isinstance(error.filename, str):
        return None
    installed = (Path(sys.prefix), Path(sys.base_prefix) / "lib", Path(__file__).resolve().parent)
    if any(Path(error.filename).absolute().is_relative_to(folder) for folder in installed):
        return None
    return UserError(str(error.strerror), where=error.filename, fix=fix)
