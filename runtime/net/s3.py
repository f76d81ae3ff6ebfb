"""A small client of S3-compatible storage: five requests, signed with AWS Signature Version 4, over httpx. Source: Amazon S3 API reference.

boto3 and its kin weigh 90 MB and bring their own HTTP; what is needed here are PUT, GET, HEAD, DELETE and one list (decision 0006).
"""

from __future__ import annotations

import hashlib
import hmac
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httpx

from builder.kernel.clock import Clock

EMPTY = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"
_SECONDS = 60.0
_XML_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class S3Place:
    """A bucket and how to get there."""

    endpoint: str
    """``https://s3.eu-central-1.amazonaws.com`` or ``http://minio:9000``; buckets are addressed by path."""
    region: str
    bucket: str
    access_key: str
    secret_key: str


class S3Object(NamedTuple):
    """One object of a list."""

    key: str
    bytes: int
    modified_at: datetime


class S3Error(Exception):
    """The storage refused or did not answer."""


class S3Client:
    """Requests for one bucket."""

    def __init__(self, place: S3Place, clock: Clock, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._place = place
        self._clock = clock
        self._host = urlsplit(place.endpoint).netloc
        self._http = httpx.AsyncClient(
            base_url=place.endpoint, timeout=_SECONDS, follow_redirects=False, transport=transport, trust_env=False
        )

    async def put(self, key: str, body: AsyncIterator[bytes], length: int, sha256: str) -> None:
        """Put an object; the storage checks its hash."""
        headers = {"content-length": str(length)}
        reply = await self._send("PUT", key, headers=headers, sha256=sha256, content=body)
        _expect(reply, 200)

    async def get(self, key: str, first: int, length: int) -> AsyncIterator[bytes]:
        """Yield a part of an object.

        Raises:
            FileNotFoundError, S3Error.
        """
        headers = {"range": f"bytes={first}-{first + length - 1}"}
        request = self._signed("GET", key, {}, headers, EMPTY, None)
        try:
            reply = await self._http.send(request, stream=True)
        except httpx.HTTPError as error:
            raise S3Error(str(error)) from error
        try:
            if reply.status_code == 404:
                raise FileNotFoundError(key)
            if reply.status_code != 206:
                raise S3Error(f"GET answered {reply.status_code}")
            async for part in reply.aiter_bytes():
                yield part
        except httpx.HTTPError as error:
            raise S3Error(str(error)) from error
        finally:
            await reply.aclose()

    async def has(self, key: str) -> bool:
        """Tell whether an object is there."""
        reply = await self._send("HEAD", key)
        if reply.status_code == 404:
            return False
        _expect(reply, 200)
        return True

    async def delete(self, key: str) -> None:
        """Delete an object; one that is not there is fine."""
        _expect(await self._send("DELETE", key), 204)

    async def list(self, prefix: str) -> AsyncIterator[S3Object]:
        """Yield the objects whose keys begin with a prefix."""
        token: str | None = None
        while True:
            query = {"list-type": "2", "prefix": prefix} | ({"continuation-token": token} if token else {})
            reply = await self._send("GET", "", query=query)
            _expect(reply, 200)
            page = _read_page(reply.content)
            for item in page.objects:
                yield item
            token = page.next_token
            if token is None:
                return

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def _send(
        self,
        method: str,
        key: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        sha256: str = EMPTY,
        content: AsyncIterator[bytes] | None = None,
    ) -> httpx.Response:
        request = self._signed(method, key, query or {}, headers or {}, sha256, content)
        try:
            return await self._http.send(request)
        except httpx.HTTPError as error:
            raise S3Error(str(error) or type(error).__name__) from error

    def _signed(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        sha256: str,
        content: AsyncIterator[bytes] | None,
    ) -> httpx.Request:
        path = quote(f"/{self._place.bucket}/{key}" if key else f"/{self._place.bucket}", safe="/-_.~")
        text = canonical_query(query)
        own = {"host": self._host, "x-amz-content-sha256": sha256, "x-amz-date": f"{self._clock.now():%Y%m%dT%H%M%SZ}"}
        own["authorization"] = authorization(self._place, method, path, text, own)
        url = f"{path}?{text}" if text else path
        return self._http.build_request(method, url, headers={**headers, **own}, content=content)


def canonical_query(query: Mapping[str, str]) -> str:
    """Return a query string as it is signed: sorted, everything escaped but the unreserved characters."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in sorted(query.items()))


def authorization(place: S3Place, method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    """Return the ``Authorization`` header of a request. ``headers`` are signed all; they hold host, x-amz-date and x-amz-content-sha256."""
    names = sorted(headers)
    listed = "".join(f"{name}:{headers[name].strip()}\n" for name in names)
    signed = ";".join(names)
    request = "\n".join((method, path, query, listed, signed, headers["x-amz-content-sha256"]))
    at = headers["x-amz-date"]
    scope = f"{at[:8]}/{place.region}/s3/aws4_request"
    to_sign = "\n".join((_ALGORITHM, at, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{place.secret_key}".encode()
    for part in (at[:8], place.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"{_ALGORITHM} Credential={place.access_key}/{scope},SignedHeaders={signed},Signature={signature}"


class _Page(NamedTuple):
    objects: list[S3Object]
    next_token: str | None


def _read_page(body: bytes) -> _Page:
    if len(body) > _XML_BYTES or b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise S3Error("the list of objects is not readable")
    try:
        root = ElementTree.fromstring(body)  # noqa: S314 - bounded, and without entities (above)
    except ElementTree.ParseError as error:
        raise S3Error("the list of objects is not readable") from error
    found = [
        S3Object(
            item.findtext("{*}Key") or "",
            int(item.findtext("{*}Size") or 0),
            datetime.fromisoformat(item.findtext("{*}LastModified") or ""),
        )
        for item in root.iterfind("{*}Contents")
    ]
    return _Page(found, root.findtext("{*}NextContinuationToken"))


def _expect(reply: httpx.Response, status: int) -> None:
    if reply.status_code != status:
        raise S3Error(f"{reply.request.method} answered {reply.status_code}")
