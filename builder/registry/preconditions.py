"""What a caller expects to find before a change (``If-Match``, ``If-None-Match``), so that nobody overwrites what they have not seen."""

from __future__ import annotations

from typing import NamedTuple

from builder.kernel.problems import Problem
from builder.kernel.text import say


class Precondition(NamedTuple):
    """What must hold. Nothing given: anything goes."""

    revisions: frozenset[int] | None = None
    """One of these revisions."""
    exists: bool | None = None
    """True: it is there, whatever its revision; False: it is not there."""
    required: bool = False
    """True: what is there is not changed without one of the above."""

    def check(self, found: int | None) -> None:
        """Compare with the revision that was found (None: it is not there).

        Raises:
            Problem: ``definition.changed``, ``definition.exists``, ``request.precondition_required``; with the present revision.
        """
        if self.exists is False and found is not None:
            raise _changed(found, "definition.exists", "已存在", "It exists already")
        if self.exists and found is None:
            raise _changed(found, "definition.changed", "它已不存在", "It does not exist any more")
        if self.revisions is not None and found not in self.revisions:
            seen = ", ".join(str(revision) for revision in sorted(self.revisions))
            zh = f"您看到的是修订 {seen},现在是 {found or 0};请重新读取"
            raise _changed(
                found, "definition.changed", zh, f"You saw revision {seen}, now it is {found or 0}; read it again"
            )
        if self.required and found is not None and self.revisions is None and self.exists is None:
            zh = f'请用 If-Match: "{found}" 说明您看到的修订'
            raise _changed(
                found, "request.precondition_required", zh, f'Say which revision you saw: If-Match: "{found}"'
            )


ANYTHING = Precondition()
ABSENT = Precondition(exists=False)


def at_revision(revision: int) -> Precondition:
    """Expect exactly this revision."""
    return Precondition(frozenset((revision,)))


def _changed(found: int | None, code: str, zh: str, en: str) -> Problem:
    return Problem(code, say(zh, en), extra={"revision": found or 0})
