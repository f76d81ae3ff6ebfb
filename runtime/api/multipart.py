"""Forms with one file (``multipart/form-data``, RFC 7578), streamed through python-multipart: the file is never whole in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from builder.kernel.problems import Problem
from builder.kernel.text import say
from runtime.files.names import name_of_disposition

_HEADER_BYTES = 8 * 1024
_OTHER_BYTES = 64 * 1024


class _Form:
    """Collects what the parser finds: the first part with a file name is the file, other parts are passed over."""

    def __init__(self, boundary: bytes) -> None:
        self.name: str | None = None
        self.found: deque[bytes] = deque()
        self.files = 0
        self.ended = False
        self._in_file = False
        self._field = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._other_bytes = 0
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._content,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Read a part of the body.

        Raises:
            Problem: ``request.malformed``.
        """
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise _malformed(str(error)) from None

    def _begin(self) -> None:
        self._headers = {}
        self._in_file = False

    def _header_field(self, text: bytes, start: int, end: int) -> None:
        self._field += text[start:end]
        self._bound_headers()

    def _header_value(self, text: bytes, start: int, end: int) -> None:
        self._value += text[start:end]
        self._bound_headers()

    def _bound_headers(self) -> None:
        if len(self._field) + len(self._value) > _HEADER_BYTES:
            raise _malformed("the headers of a part are too long")

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _headers_finished(self) -> None:
        header = self._headers.get(b"content-disposition", b"").decode("latin-1")
        if "filename" not in header.lower():
            return
        self.files += 1
        if self.files > 1:
            raise _malformed("one file at a time")
        self._in_file = True
        self.name = name_of_disposition(header)

    def _content(self, text: bytes, start: int, end: int) -> None:
        if self._in_file:
            self.found.append(text[start:end])
            return
        self._other_bytes += end - start
        if self._other_bytes > _OTHER_BYTES:
            raise _malformed("the other parts of the form are too large")

    def _end(self) -> None:
        self.ended = True


async def multipart_file(content_type: str, body: AsyncIterator[bytes]) -> tuple[str, AsyncIterator[bytes]]:
    """Return the name of the file in a form, and its content as it comes.

    Raises:
        Problem: ``request.malformed``: no form, no file, or several.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:
        raise _malformed("the boundary is missing")
    form = _Form(boundary)
    while form.name is None:
        chunk = await anext(body, None)
        if chunk is None:
            raise _malformed("the form has no file")
        form.feed(chunk)
    return form.name, _content(form, body)


async def _content(form: _Form, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        while form.found:
            yield form.found.popleft()
        chunk = await anext(body, None)
        if chunk is None:
            break
        form.feed(chunk)
    if not form.ended:
        raise _malformed("the form ends too early")


def _malformed(reason: str) -> Problem:
    return Problem("request.malformed", say(f"表单有误:{reason}", f"The form is malformed: {reason}"))
