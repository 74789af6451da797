"""Replicas of the server behind a load balancer keep corrections in one bucket, and nothing answered is lost."""

import http.client
import itertools
import math
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pixmill.cli import main
from pixmill.core.errors import LockedError, StorageError
from pixmill.core.workspace import Workspace
from pixmill.review.restoring import restore
from pixmill.serve import bucket_store as module
from pixmill.serve.bucket_store import Bucket, StorageUnavailableError
from pixmill.serve.correction import correction_of
from pixmill.serve.inbox import Inbox, InboxFullError
from tests.ports import unused_port
from tests.review.conftest import Project, Review, jpeg
from tests.serve.conftest import Client
from tests.serve.load.server import Running
from tests.servers import Storage

SHARED = f"s3://{Storage.bucket}/shared/inbox"

pytestmark = [pytest.mark.slow, pytest.mark.services]


class Balancer:
    """Forward each request to the next of some servers on loopback, past one that takes no connections."""

    def __init__(self, *ports):
        turns = itertools.count()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                turn = next(turns) % len(ports)
                for port in (*ports[turn:], *ports[:turn]):
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                    try:
                        connection.request(self.command, self.path, body, dict(self.headers))
                        answer = connection.getresponse()
                        self.send(answer.status, answer.headers, answer.read())
                    except ConnectionRefusedError:
                        continue
                    except (OSError, http.client.HTTPException):
                        self.send(502, {}, b"")  # It was taken, and may have been carried out: it is not repeated.
                    finally:
                        connection.close()
                    return

            def send(self, status, headers, body):
                self.send_response_only(status)
                for name, value in headers.items():
                    if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                        self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = forward  # noqa: N815 (the names of http.server)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def url(s3, request):
    """The URL of an inbox that is nobody else's."""
    return f"s3://{s3.bucket}/{request.node.name}"


@pytest.fixture(scope="module")
def replicas(s3_server, trained_folder, tmp_path_factory):
    """Two servers with one inbox; the last test that uses them kills one."""
    options = ["--model", str(trained_folder), "--workers", "1", "--inbox", SHARED]
    how = {"cwd": tmp_path_factory.mktemp("replicas"), "environ": s3_server.environ}
    with Running(*options, **how) as first, Running(*options, **how) as second:
        yield first, second


def client_of_s3():
    import boto3

    return boto3.client("s3")


def add(bucket, content, label="dress"):
    told = {"extension": "jpg", "prediction": {"label": "coat"}, "label": label, "model": {"name": "m"}}
    return bucket.add(content, correction_of(content, **told))


def keys(url):
    prefix = url.removeprefix(f"s3://{Storage.bucket}/")
    found = client_of_s3().list_objects_v2(Bucket=Storage.bucket, Prefix=prefix).get("Contents", ())
    return [item["Key"].removeprefix(f"{prefix}/") for item in found]


def ids(inbox):
    return sorted(correction.id for entry in inbox.entries()[0] for correction in entry.corrections)


def send(client, content, label="coat"):
    return client.post_parts("/v1/feedback", ("file", "a.jpg", content), ("label", None, label.encode()))


def test_feedback_by_way_of_any_replica_is_reviewed_once(replicas, s3, tmp_path):
    with Balancer(*(replica.port for replica in replicas)) as balancer:
        client = Client(balancer.port)
        predicted = client.post("/v1/predict", jpeg(900), "application/octet-stream").json["predictions"][0]["id"]
        assert send(client, jpeg(900)).json == {"id": predicted}
        answers = [replica.ask("GET", "/metrics")[1].decode() for replica in replicas]
    assert ['route="/v1/predict"' in text for text in answers] == [True, False]
    assert ['route="/v1/feedback"' in text for text in answers] == [False, True]
    project = Project(tmp_path / "project")
    project.fill("coat", 3)
    project.write()
    sitting = Review(project.root, "--no-open", "--inbox", SHARED)
    assert sitting.first == f"1 correction moved from {SHARED} to {project.root / 'inbox'}.\n"
    assert sitting.next().startswith("1 case to review")
    assert sitting.end()[0] == 0
    assert ids(Inbox(project.root / "inbox")) == [predicted]
    assert keys(SHARED) == ["checked"]
    # What is accepted stays in the project's inbox, until a commit holds it: the bucket has it no more.
    sitting = Review(project.root, "--no-open")
    sitting.decide(0, predicted, "relabel", "dress")
    assert "1 image accepted into data/" in sitting.end()[1]
    (accepted,) = (project.root / "data/dress").iterdir()
    accepted.unlink()
    sitting = Review(project.root, "--no-open", "--inbox", SHARED)
    assert sitting.next() == "Nothing to review.\n"
    assert sitting.next().startswith("1 image accepted, missing from data/: data/dress/feedback-")
    sitting.end()
    assert ids(Inbox(project.root / "inbox")) == [predicted]
    restore(Workspace(project.root, project.root), project.params())
    assert accepted.read_bytes() == jpeg(900)


def test_while_the_storage_is_away_predictions_go_on(replicas, s3):
    client = Client(replicas[0].port)
    s3.refuse(math.inf)
    refused = send(client, jpeg(900))
    assert refused.is_problem(503)
    assert (refused.headers["Retry-After"], refused.json["detail"]) == ("10", "The inbox cannot be written just now.")
    assert client.post("/v1/predict", jpeg(900), "application/octet-stream").status == 200
    assert client.get("/readyz").status == 200
    assert "Service is unable to handle request" in replicas[0].log.read_text()
    s3.recover()
    before = keys(SHARED)
    assert send(client, jpeg(900)).status == 201
    assert len(keys(SHARED)) == len(before) + 1


def test_nothing_answered_is_lost_to_sigkill(replicas, s3, tmp_path):
    answered, some = [], threading.Event()

    def client_of(number):
        client = Client(balancer.port)
        for seed in range(number * 100, number * 100 + 25):
            answer = send(client, jpeg(seed))
            answered.append(answer.json["id"] if answer.status == 201 else answer.status)
            if len(answered) > 20:
                some.set()

    with Balancer(*(replica.port for replica in replicas)) as balancer:
        clients = [threading.Thread(target=client_of, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        assert some.wait(30)
        replicas[0].process.kill()
        for client in clients:
            client.join()
    there = Inbox(tmp_path / "inbox")
    Inbox(SHARED).move_to(there)
    lost = {answer for answer in answered if isinstance(answer, str)} - set(ids(there))
    assert lost == set()
    assert len(ids(there)) >= 96  # At most one request of each client was under way.
    assert len(set(ids(there))) == len(ids(there))


@pytest.mark.parametrize(
    ("inbox", "away", "told"),
    [
        ("s3://none/inbox", False, "NoSuchBucket"),
        ("s3://", False, "s3:// names no bucket"),
        (f"s3://{Storage.bucket}", True, "corrections are refused until the inbox answers"),
    ],
)
def test_an_inbox_that_cannot_be_used_is_known_at_once(s3, monkeypatch, capsys, tmp_path, inbox, away, told):
    monkeypatch.chdir(tmp_path)
    if away:
        s3.refuse(math.inf)
    with pytest.raises(SystemExit):
        main(["serve", "--model", "none", "--port", "0", "--inbox", inbox])
    said = capsys.readouterr().err
    assert told in said
    assert ("--inbox s3://BUCKET/PREFIX" in said) == (not away)  # Only if it is away, the model is looked for.


def test_what_a_killed_move_left_in_both_places_is_taken_once(url, s3, tmp_path):
    bucket, there = Inbox(url), Inbox(tmp_path / "inbox")
    names = [add(bucket, jpeg(seed)) for seed in range(20)]
    s3.refuse(math.inf, at="DELETE")
    with pytest.raises(StorageUnavailableError, match="Service is unable to handle request") as told:
        bucket.move_to(there)
    assert told.value.next == f"pixmill review --inbox {url}"
    assert 0 < len(ids(there)) < 20
    s3.recover()
    with pytest.raises(LockedError):  # Nobody could say that the move had ended.
        bucket.move_to(there)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_STALE", module.timedelta(seconds=-1))
        moved, _ = bucket.move_to(there)
    assert (0 < moved < 20, ids(there), keys(url)) == (True, sorted(names), [])


def test_what_a_full_folder_took_is_no_longer_in_the_bucket(url, tmp_path):
    bucket, there = Inbox(url), Inbox(tmp_path / "inbox", max_entries=2)
    for seed in range(3):
        add(bucket, jpeg(seed))
    with pytest.raises(InboxFullError, match="inbox is full"):
        bucket.move_to(there)
    assert len(ids(there)) == 2
    assert len(keys(url)) == 1


def test_of_two_reviews_at_once_each_gets_what_the_other_does_not(url, tmp_path):
    bucket = Inbox(url)
    names = sorted(add(bucket, jpeg(seed)) for seed in range(40))
    folders, told = [Inbox(tmp_path / str(number)) for number in range(3)], []

    def review(folder):
        try:
            Inbox(url).move_to(folder)
        except (LockedError, StorageError) as error:
            told.append(error)

    reviews = [threading.Thread(target=review, args=(folder,)) for folder in folders]
    for each in reviews:
        each.start()
    for each in reviews:
        each.join()
    assert sorted(name for folder in folders for name in ids(folder)) == names
    assert all(url in error.message for error in told)
    # The second is told where the other ends between two requests.
    assert all("a review on" in error.message or "NoSuchKey" in error.message for error in told)
    assert keys(url) == []


def test_a_review_that_was_taken_for_dead_deletes_nothing(url, tmp_path, monkeypatch):
    bucket = Inbox(url)
    names = sorted(add(bucket, jpeg(seed)) for seed in range(3))
    slow, other = Inbox(tmp_path / "slow"), Inbox(tmp_path / "other")
    monkeypatch.setattr(module, "_STALE", module.timedelta(seconds=-1))
    keep = slow.add

    def overtaken(content, correction):
        if not ids(slow):
            with pytest.MonkeyPatch.context() as patch, pytest.raises(StorageError, match="full"):
                patch.setattr(other, "add", lambda *_: (_ for _ in ()).throw(StorageError("full")))
                patch.setattr(Bucket, "delete", lambda *_: None)  # It was killed.
                Inbox(url).move_to(other)
        return keep(content, correction)

    slow.add = overtaken
    with pytest.raises(LockedError):
        bucket.move_to(slow)
    assert len([key for key in keys(url) if key.startswith("corrections/")]) == 3
    bucket.move_to(other)
    assert ids(other) == names


def test_a_review_that_was_overtaken_by_one_that_has_ended_is_told_to_run_again(url, tmp_path, monkeypatch):
    bucket = Inbox(url)
    for seed in range(3):
        add(bucket, jpeg(seed))
    monkeypatch.setattr(module, "_STALE", module.timedelta(seconds=-1))
    slow, other = Inbox(tmp_path / "slow"), Inbox(tmp_path / "other")
    keep = slow.add

    def overtaken(content, correction):
        Inbox(url).move_to(other)
        return keep(content, correction)

    slow.add = overtaken
    with pytest.raises(StorageError, match="NoSuchKey") as told:
        bucket.move_to(slow)
    assert told.value.next.startswith("run the same command again")
    assert keys(url) == []


def test_a_dropped_image_comes_to_no_reviewer_again(url, tmp_path):
    bucket, first, second = Inbox(url), Inbox(tmp_path / "first"), Inbox(tmp_path / "second")
    name = add(bucket, jpeg(1))
    bucket.move_to(first)
    first.drop([name])
    assert bucket.drop(first.dropped_ids()) == {name}
    add(bucket, jpeg(1), "shoe")
    kept = add(bucket, jpeg(2))
    assert bucket.move_to(second) == (1, 0)
    assert (ids(second), keys(url)) == ([kept], [f"dropped/{name}"])


def test_an_object_that_is_no_correction_stays(url, tmp_path):
    bucket, there = Inbox(url), Inbox(tmp_path / "inbox")
    name, prefix = add(bucket, jpeg(1)), url.removeprefix(f"s3://{Storage.bucket}/")
    client = client_of_s3()
    whole = client.get_object(Bucket=Storage.bucket, Key=f"{prefix}/{keys(url)[0]}")["Body"].read()
    for key, content in (("a", b""), ("b", b"{}\n"), ("c", whole[:-1])):
        client.put_object(Bucket=Storage.bucket, Key=f"{prefix}/corrections/{key}", Body=content)
    assert bucket.move_to(there) == (1, 3)
    assert (ids(there), keys(url)) == ([name], ["corrections/a", "corrections/b", "corrections/c"])


def test_it_is_full_at_its_number_and_its_size(url, monkeypatch):
    add(Inbox(url), jpeg(1))
    for limits in ({"max_entries": 1}, {"max_bytes": 2000}):
        with pytest.raises(InboxFullError, match="has 1 corrections") as told:
            add(Inbox(url, **limits), jpeg(2))
        assert told.value.next == f"pixmill review --inbox {url}"
    first, second = Inbox(url, max_entries=3), Inbox(url, max_entries=3)
    for seed, bucket in enumerate((first, second, first)):  # What others add is seen some seconds later.
        add(bucket, jpeg(seed))
    monkeypatch.setattr(module, "_COUNTED_SECONDS", 0.0)
    with pytest.raises(InboxFullError):
        add(second, jpeg(4))


def test_a_wrong_key_is_told(url, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    with pytest.raises(StorageError, match="Unable to locate credentials") as told:
        Inbox(url).check()
    assert "AWS_ACCESS_KEY_ID" in told.value.next
    assert not isinstance(told.value, StorageUnavailableError)


def test_a_storage_that_refuses_connections_is_away(url, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_port()}")
    with pytest.raises(StorageUnavailableError, match="Could not connect"):
        Inbox(url).check()


def test_a_storage_that_hangs_is_given_up(url, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as silent:  # It accepts and never answers.
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.server_address[1]}")
        monkeypatch.setattr(module, "_READ_SECONDS", 0.2)
        began = time.monotonic()
        with pytest.raises(StorageUnavailableError, match="timeout"):
            add(Inbox(url), jpeg(1))
    assert time.monotonic() - began < 10
