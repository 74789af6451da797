"""The inbox of several servers: a bucket on storage with the interface of S3.

S3 can neither append nor lock, so each correction is one object, ``corrections/<time>-<random>``: its line, and behind
it the image. It is there as a whole or not at all, servers need not know of each other, and nobody can take an image
from under a correction. ``dropped/<id>`` are empty objects, ``moving`` says who empties the inbox just now.
"""

import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from pixmill.core.errors import LockedError, PixmillError, StorageError
from pixmill.core.progress import track
from pixmill.serve.inbox import Correction, Inbox, InboxFullError, line_of

_COUNTED_SECONDS = 10.0
"""How long a count of the objects holds. What other servers add meanwhile is not seen, so that limits may be exceeded
by as much."""

_CONNECT_SECONDS, _READ_SECONDS, _ATTEMPTS = 3, 5, 3
"""Limits of one request, so that a client is told within half a minute that the storage is away."""

_AT_A_TIME = 16
"""Corrections that are in memory at the same time while they are moved."""

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
    """Keep corrections in a bucket that any number of servers and reviewers share; threads may share the object.

    Credentials and address are those of the AWS command line, such as ``AWS_ACCESS_KEY_ID`` and ``AWS_ENDPOINT_URL``.

    Args:
        url: ``s3://BUCKET/PREFIX``; the prefix may be absent.
        max_bytes: The most that all corrections may take together, each with its image.
        max_entries: The most corrections.

    Raises:
        PixmillError: The URL names no bucket, or the environment no server.
    """

    def __init__(self, url: str, max_bytes: int = 1 << 30, *, max_entries: int = 10_000) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        name, _, prefix = url.removeprefix("s3://").partition("/")
        if not name:
            raise PixmillError(f"{url} names no bucket", next="--inbox s3://BUCKET/PREFIX")
        self.url = url.rstrip("/")
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._counted, self._count, self._size = -_COUNTED_SECONDS, 0, 0
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
            max_pool_connections=_AT_A_TIME,
        )
        try:
            self._s3: Any = boto3.session.Session().client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise PixmillError(f"{self.url}: {error}", next=_CREDENTIALS) from error
        self._bucket = name

    def check(self) -> None:
        """Make sure that corrections can be counted and written; an empty object ``checked`` stays.

        Raises:
            StorageUnavailableError: The storage does not answer.
            StorageError: There is no such bucket, or it may not be used.
        """
        with self._translate_errors():
            self._usage()
            self._put("checked", b"")

    def add(self, content: bytes, correction: Correction) -> str:
        """Put a correction into the bucket; once this returns, the storage has confirmed it.

        Args:
            content: The image, as it came.
            correction: What is said of it.

        Returns:
            The sha256 of the image.

        Raises:
            InboxFullError: The inbox holds as much as it may.
            StorageError: It could not be written, :class:`StorageUnavailableError` if the storage does not answer.
        """
        body = line_of(correction) + content
        with self._translate_errors(then="send the feedback again"):
            count, size = self._usage()
            if count >= self._max_entries or size + len(body) > self._max_bytes:
                raise InboxFullError(
                    f"{self.url} is full: it has {count:,} corrections, and takes at most {self._max_entries:,} or "
                    f"{self._max_bytes >> 20:,} MiB",
                    next=f"pixmill review --inbox {self.url}",
                )
            self._put(f"corrections/{correction.received:%Y%m%dT%H%M%SZ}-{secrets.token_hex(8)}", body)
        self._count, self._size = self._count + 1, self._size + len(body)
        return correction.id

    def move_to(self, inbox: Inbox) -> tuple[int, int]:
        """Move all corrections into a folder, and return how many there were, and how many objects are none.

        Each is on disk before its object is deleted, and one that a killed move has left in both places is not taken
        twice. Corrections of dropped images are deleted, objects that are no corrections stay.

        Args:
            inbox: The folder; what was dropped there counts as dropped in the bucket from now on.

        Raises:
            InboxFullError: The folder holds as much as it may; the other corrections stay in the bucket.
            LockedError: Another review empties the bucket.
            StorageError: The folder may not be written, or the bucket not be used; what was not moved stays.
        """
        moved = strange = 0
        known = {line_of(item) for entry in inbox.entries()[0] for item in entry.corrections}
        with self._translate_errors(), self._alone() as still_alone, ThreadPoolExecutor(_AT_A_TIME) as pool:
            dropped = self.drop(inbox.dropped_ids())
            keys = [key for key, _ in self._objects("corrections/")]
            batches = [keys[start : start + _AT_A_TIME] for start in range(0, len(keys), _AT_A_TIME)]
            for batch in track(batches, "Move corrections", unit="batch"):
                done = []
                try:
                    for key, found in zip(batch, pool.map(self._read, batch), strict=True):
                        if found is None:
                            strange += 1
                            continue
                        content, correction = found
                        if correction.id not in dropped and line_of(correction) not in known:
                            inbox.add(content, correction)
                            moved += 1
                        done.append(key)
                finally:
                    # Also where the folder is full: once reviewed there, they would be taken again.
                    if done:
                        still_alone()
                        list(pool.map(self._delete, done))
        return moved, strange

    def drop(self, names: Collection[str]) -> frozenset[str]:
        """Remember images that are not wanted, so that no review gets them, and return all of them.

        Args:
            names: Their ids.

        Raises:
            StorageError: The bucket may not be used, or does not answer.
        """
        with self._translate_errors():
            there = {key.rpartition("/")[2] for key, _ in self._objects("dropped/")}
            for name in set(names) - there:
                self._put(f"dropped/{name}", b"")
        return frozenset(there.union(names))

    def _usage(self) -> tuple[int, int]:
        """Return how many corrections there are, and their size in bytes."""
        if time.monotonic() - self._counted >= _COUNTED_SECONDS:
            sizes = [size for _, size in self._objects("corrections/")]
            self._counted, self._count, self._size = time.monotonic(), len(sizes), sum(sizes)
        return self._count, self._size

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

    def _delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self._bucket, Key=self._prefix + key)

    def _read(self, key: str) -> tuple[bytes, Correction] | None:
        """Return a correction with its image; ``None`` where an object is none."""
        line, _, content = self._get(key)[0].partition(b"\n")
        try:
            correction = Correction.model_validate_json(line)
        except ValidationError:
            return None
        return (content, correction) if sha256(content).hexdigest() == correction.id else None

    @contextlib.contextmanager
    def _alone(self) -> Iterator[Callable[[], None]]:
        """Keep other reviews from emptying the bucket during the block; the function says that it goes on.

        Raises:
            LockedError: Another review empties it; the function raises it, too.
        """
        mine = f"{socket.gethostname()} {secrets.token_hex(8)}".encode()
        tag = self._put_if(mine, IfNoneMatch="*")
        if tag is None:
            held, answer = self._get("moving")
            age = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]) - answer["LastModified"]
            if held == mine or age > _STALE:  # It is ours where a request was repeated whose answer was lost.
                tag = self._put_if(mine, IfMatch=answer["ETag"])
            if tag is None:
                raise self._lock_error(held)

        def still_alone() -> None:
            nonlocal tag
            tag = tag and self._put_if(mine, IfMatch=tag)
            if tag is None:
                raise self._lock_error(self._get("moving")[0])

        try:
            yield still_alone
        finally:
            if tag is not None:
                # If this fails, the next review waits until it is stale.
                with contextlib.suppress(StorageError), self._translate_errors():
                    self._delete("moving")

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
