"""An S3-compatible storage for tests: an ASGI application that checks every signature by itself and keeps objects in memory."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/]+)/(?P<day>\d{8})/(?P<region>[^/]+)/s3/aws4_request,"
    r"\s*SignedHeaders=(?P<names>[^,]+),\s*Signature=(?P<signature>[0-9a-f]{64})\Z"
)
_PAGE = 2


class Storage:
    """One bucket. ``refused`` says why requests were turned away; ``down`` makes it answer 503."""

    def __init__(self, *, bucket: str, access_key: str, secret_key: str) -> None:
        self.bucket = bucket
        self.access_key = access_key
        self.secret_key = secret_key
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self.refused: list[str] = []
        self.down = False
        self.now = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        wrong = self._wrong(scope, headers, body)
        status: int
        extra: dict[str, str]
        if self.down or wrong:
            if wrong:
                self.refused.append(wrong)
            status, extra, answer = 503 if self.down else 403, {}, b"<Error/>"
        else:
            status, extra, answer = self._answer(scope, headers, body)
        head = [(name.encode(), value.encode()) for name, value in extra.items()]
        head.append((b"content-length", str(len(answer)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer})

    def _wrong(self, scope: MutableMapping[str, Any], headers: dict[str, str], body: bytes) -> str | None:
        found = _AUTHORIZATION.match(headers.get("authorization", ""))
        if found is None or found["key"] != self.access_key:
            return "no signature"
        declared = headers["x-amz-content-sha256"]
        if hashlib.sha256(body).hexdigest() != declared:
            return "content hash"
        names = found["names"].split(";")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(names):
            return "signed headers"
        path = quote(scope["path"], safe="/-_.~")
        pairs = sorted(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
        listed = "".join(f"{name}:{headers[name]}\n" for name in names)
        request = "\n".join([scope["method"], path, query, listed, found["names"], declared])
        date = headers["x-amz-date"]
        credential = f"{found['day']}/{found['region']}/s3/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", date, credential, hashlib.sha256(request.encode()).hexdigest()])
        key = b"AWS4" + self.secret_key.encode()
        for part in (found["day"], found["region"], "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        right = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        return None if hmac.compare_digest(right, found["signature"]) else "signature"

    def _answer(
        self, scope: MutableMapping[str, Any], headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        _, bucket, key = [*scope["path"].split("/", 2), ""][:3]
        if bucket != self.bucket:
            return 404, {}, b"<Error/>"
        match scope["method"]:
            case "PUT":
                self.objects[key] = (body, self.now)
                return 200, {}, b""
            case "DELETE":
                self.objects.pop(key, None)
                return 204, {}, b""
            case "GET" if not key:
                return 200, {}, self._list(dict(parse_qsl(scope["query_string"].decode())))
        if key not in self.objects:
            return 404, {}, b"<Error/>"
        whole = self.objects[key][0]
        if "range" in headers:
            first, last = (int(part) for part in headers["range"].removeprefix("bytes=").split("-"))
            return 206, {"content-range": f"bytes {first}-{last}/{len(whole)}"}, whole[first : last + 1]
        return 200, {}, whole

    def _list(self, query: dict[str, str]) -> bytes:
        keys = [key for key in sorted(self.objects) if key.startswith(query.get("prefix", ""))]
        start = int(query.get("continuation-token", "0"))
        items = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>{self.objects[key][1]:%Y-%m-%dT%H:%M:%S.000Z}</LastModified>"
            f"<Size>{len(self.objects[key][0])}</Size></Contents>"
            for key in keys[start : start + _PAGE]
        )
        more = start + _PAGE < len(keys)
        token = f"<NextContinuationToken>{start + _PAGE}</NextContinuationToken>" if more else ""
        name = "http://s3.amazonaws.com/doc/2006-03-01/"
        return f'<?xml version="1.0"?><ListBucketResult xmlns="{name}">{items}{token}</ListBucketResult>'.encode()
