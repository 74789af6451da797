"""The store of an inbox of several servers: a bucket on storage with the interface of S3.

S3 cannot lock: the object ``moving`` says who empties the inbox just now.
"""

import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from pixmill.core.errors import LockedError, PixmillError, StorageError

_COUNTED_SECONDS = 10.0
"""How long a count of the objects holds. What other servers add meanwhile is not seen, so that limits may be exceeded
by as much."""

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 3, 5, 3
"""Limits of one request, so that a client is told within half a minute that the storage is away."""

_CONNECTIONS = 16
"""Connections to the storage that are kept open."""

_STALE = timedelta(minutes=2)
"""Age from which somebody who empties the inbox, and says so with every few corrections, was killed."""

_ADVICE = {
    "AccessDenied": "allow s3:ListBucket, s3:PutObject and, for pixmill review, s3:GetObject and s3:DeleteObject",
    "NoSuchBucket": "create it, or name another: --inbox s3://BUCKET/PREFIX",
    "NoSuchKey": "run the same command again: another review has moved what was there",
}
_CREDENTIALS = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where it is not Amazon's, AWS_ENDPOINT_URL"


class StorageUnavailableError(StorageError):
    """Tell that the storage does not answer, or fails by itself: later it may do."""


class Bucket:
    """Keep objects in a bucket that any number of servers and reviewers share; threads may share this object.

    Credentials and address are those of the AWS command line, such as ``AWS_ACCESS_KEY_ID`` and ``AWS_ENDPOINT_URL``.

    Args:
        url: ``s3://BUCKET/PREFIX``; the prefix may be absent.

    Raises:
        PixmillError: The URL names no bucket, or the environment no server.
    """

    def __init__(self, url: str) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        name, _, prefix = url.removeprefix("s3://").partition("/")
        if not name:
            raise PixmillError(f"{url} names no bucket", next="--inbox s3://BUCKET/PREFIX")
        self.url = url.rstrip("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._counted, self._count, self._size = -_COUNTED_SECONDS, 0, 0
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=_CONNECTIONS,
        )
        try:
            self._s3: Any = boto3.session.Session().client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise PixmillError(f"{self.url}: {error}", next=_CREDENTIALS) from error
        self._bucket = name

    def check(self) -> None:
        """Make sure that corrections can be counted and written; an empty object ``checked`` stays."""
        with self._translate_errors():
            self.usage()
            self._put("checked", b"")

    def lock(self, *, then: str) -> contextlib.AbstractContextManager[None]:
        """Raise errors of the storage as ours: there is nothing to lock, each object is written as a whole."""
        return self._translate_errors(then)

    def usage(self) -> tuple[int, int]:
        """Count the objects at most every few seconds, and what is written from here in between."""
        if time.monotonic() - self._counted >= _COUNTED_SECONDS:
            sizes = [size for _, size in self._objects("corrections/")]
            self._counted, self._count, self._size = time.monotonic(), len(sizes), sum(sizes)
        return self._count, self._size

    def names(self, folder: str) -> list[str]:
        """List the objects."""
        return [name for name, _ in self._objects(folder)]

    def read(self, name: str) -> bytes:
        """Get the object."""
        return self._get(name)[0]

    def read_line(self, name: str) -> bytes:
        """Get the object, and return its first line."""
        return self.read(name).partition(b"\n")[0]

    def write(self, name: str, content: bytes) -> None:
        """Put the object; once this returns, the storage has confirmed it."""
        self._put(name, content)
        self._count, self._size = self._count + 1, self._size + len(content)

    def _objects(self, folder: str) -> Iterator[tuple[str, int]]:
        """Yield the keys below ours and the sizes of objects, in order."""
        pages = self._s3.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + folder):
            for item in page.get("Contents", ()):
                yield item["Key"].removeprefix(self._prefix), item["Size"]

    def _put(self, key: str, body: bytes, **conditions: str) -> str:
        stored = self._s3.put_object(Bucket=self._bucket, Key=self._prefix + key, Body=body, **conditions)
        tag: str = stored["ETag"]
        return tag

    def _get(self, key: str) -> tuple[bytes, dict[str, Any]]:
        answer = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + key)
        return answer["Body"].read(), answer

    def delete(self, name: str) -> None:
        """Delete the object."""
        self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    @contextlib.contextmanager
    def lock_for_move(self) -> Iterator[Callable[[], None]]:
        """Keep other reviews from emptying the bucket during the block, by the object ``moving``."""
        with self._translate_errors():
            mine = f"{socket.gethostname()} {secrets.token_hex(8)}".encode()
            tag = self._put_if(mine, IfNoneMatch="*")
            if tag is None:
                held, answer = self._get("moving")
                age = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]) - answer["LastModified"]
                if held == mine or age > _STALE:  # It is ours where a request was repeated whose answer was lost.
                    tag = self._put_if(mine, IfMatch=answer["ETag"])
                if tag is None:
                    raise self._lock_error(held)

            def still_moving() -> None:
                nonlocal tag
                tag = tag and self._put_if(mine, IfMatch=tag)
                if tag is None:
                    raise self._lock_error(self._get("moving")[0])

            try:
                yield still_moving
            finally:
                if tag is not None:
                    # If this fails, the next review waits until it is stale.
                    with contextlib.suppress(StorageError), self._translate_errors():
                        self.delete("moving")

    def _put_if(self, body: bytes, **condition: str) -> str | None:
        """Write ``moving`` under a condition, and return its tag; ``None`` where the condition does not hold."""
        from botocore.exceptions import ClientError

        try:
            return self._put("moving", body, **condition)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ConditionalRequestConflict", "NoSuchKey", "PreconditionFailed"):
                return None
            raise

    def _lock_error(self, who: bytes) -> LockedError:
        host = who.decode(errors="replace").partition(" ")[0]
        return LockedError(
            f"a review on {host} is moving the corrections out of {self.url}, or was killed while it did",
            next=f"in two minutes: pixmill review --inbox {self.url}",
        )

    @contextlib.contextmanager
    def _translate_errors(self, then: str | None = None) -> Iterator[None]:
        """Raise what the storage says as a :class:`StorageError`.

        Args:
            then: The next command if the storage is away; default: the review.
        """
        from botocore import exceptions

        then = then or f"pixmill review --inbox {self.url}"
        try:
            yield
        except (exceptions.ConnectionError, exceptions.HTTPClientError, exceptions.IncompleteReadError) as error:
            raise StorageUnavailableError(f"{self.url}: {error}", next=then) from error
        except exceptions.BotoCoreError as error:
            raise StorageError(f"{self.url}: {error}", next=_CREDENTIALS) from error
        except exceptions.ClientError as error:
            message = f"{self.url}: {error}"
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise StorageUnavailableError(message, next=then) from error
            advice = _ADVICE.get(error.response["Error"]["Code"], _CREDENTIALS)
            raise StorageError(message, next=advice) from error
