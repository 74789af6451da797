"""The API: formats, access, errors and limits.

The tests are in one module, since they share two servers.
"""

import base64
import contextlib
import hashlib
import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import pytest

from pixmill import __version__
from pixmill.dataset.inbox import Inbox
from pixmill.models.classifier import Classifier
from pixmill.serve.export.html.page import build_page
from pixmill.serve.predict.model import find_model
from tests.serve.http.conftest import BOUNDARY, Client, b64, multipart, picture
from tests.serve.http.load.server import Running

pytestmark = pytest.mark.linux

PROBABILITIES = ["p_coat", "p_kurtā", "p_T-shirt & top"]


@pytest.mark.parametrize(
    "kind", ["image/png", "image/anything", "application/octet-stream", "IMAGE/PNG; x=1"]
)
def test_predicts_raw_bytes_like_the_classifier(client: Client, expected: dict, kind: str) -> None:
    answer = client.post("/v1/predict", picture(), kind)
    assert answer.status == 200
    assert answer.json["predictions"] == [expected]
    assert set(answer.json["model"]) == {"name", "version", "digest"}


def test_predicts_files_in_order_with_their_names(client: Client, expected: dict) -> None:
    answer = client.post_parts(
        "/v1/predict",
        ("note", None, b"ignored"),
        ("file", "ä.png", picture()),
        ("file", "b.txt", b"no image"),
        ("file", "", picture()),
    )
    first, second, third = answer.json["predictions"]
    assert first == {**expected, "name": "ä.png"}
    assert third == {**expected, "name": None}
    assert (second["label"], second["probabilities"], second["reason"]) == (None, None, "unknown")
    assert second["message"] == "Not a known image format."
    assert second["id"] == hashlib.sha256(b"no image").hexdigest()


@pytest.mark.parametrize("form", ["line ends", "url-safe", "data URL", "data URL with line ends"])
def test_accepts_base64_as_programs_write_it(client: Client, expected: dict, form: str) -> None:
    text = base64.encodebytes(picture()).decode() if "line ends" in form else b64(picture())
    if form == "url-safe":
        text = base64.urlsafe_b64encode(picture()).decode()
    if form.startswith("data URL"):
        text = f"data:image/png;base64,{text}"
    (row,) = client.post_json("/v1/predict", {"images": [{"content": text}]}).json["predictions"]
    assert row == expected
    for document in (
        {"inputs": [text]},
        {"dataframe_split": {"columns": ["image"], "data": [[text]]}},
    ):
        (row,) = client.post_json("/invocations", document).json["predictions"]
        assert (row["label"], row["confidence"]) == (expected["label"], expected["confidence"])


@pytest.mark.parametrize(
    "text", ["!!", "data:image/png,abc", "data:text/html;base64,!!", "photo.jpg", "é"]
)
def test_refuses_what_is_no_base64_with_the_remedy(client: Client, text: str) -> None:
    for path, document in (
        ("/v1/predict", {"images": [{"content": text}]}),
        ("/invocations", {"inputs": [text]}),
    ):
        answer = client.post_json(path, document)
        assert answer.is_problem(422)
        assert "data:image/png;base64," in answer.json["detail"]
    address = {"url": f"data:image/png;base64,{b64(picture())}"}
    for path, document in (("/v1/fetch", address), ("/v1/predict", {"images": [address]})):
        answer = client.post_json(path, document)
        assert answer.is_problem(422)
        assert answer.json["detail"].endswith("send a data URL as content instead of url")


def test_refuses_internal_urls_and_limits_their_rate(client: Client) -> None:
    urls = [f"http://127.0.0.1:{client.port}/", "http://169.254.169.254/latest/", "http://[::1]/"]
    answer = client.post_json("/v1/predict", {"images": [{"url": url} for url in urls]})
    assert [row["reason"] for row in answer.json["predictions"]] == ["private_address"] * 3
    assert [row["name"] for row in answer.json["predictions"]] == urls
    answer = client.post_json("/v1/predict", {"images": [{"url": url} for url in urls]})
    assert answer.is_problem(429)
    assert 0 < int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize(
    ("document", "status"),
    [
        (None, 422),
        ({"images": []}, 422),
        ({"images": [{"content": 1}]}, 422),
        ({"images": [{"content": "a"}]}, 422),
        ({"images": [{"url": "http://\ud800.example/"}]}, 400),
        ({"images": [{"url": f"http://127.0.0.1/{'a' * 4080}"}]}, 422),
        ({"images": [{"content": ""}] * 17}, 422),
    ],
    ids=range(7),
)
def test_refuses_json_of_another_schema(client: Client, document: Any, status: int) -> None:
    assert client.post_json("/v1/predict", document).is_problem(status)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"x", "text/plain", 415),
        (b"x", "multipart/form-data", 400),
        (multipart(("other", "x", b"x"))[0], "multipart/form-data; boundary=6d0f2c", 422),
        (multipart(*[("file", "x", b"x")] * 17)[0], "multipart/form-data; boundary=6d0f2c", 400),
        (multipart(("file", None, b"x"))[0], "multipart/form-data; boundary=6d0f2c", 422),
        (bytes((20 << 20) + 1), "image/png", 413),
    ],
    ids=range(8),
)
def test_broken_requests_are_problems(client: Client, body: bytes, kind: str, status: int) -> None:
    assert client.post("/v1/predict", body, kind).is_problem(status)


def test_predicts_with_other_shares_of_the_classes(client: Client, expected: dict) -> None:
    def asked(**query: Any) -> Any:
        return client.post(f"/v1/predict?{urlencode(query, doseq=True)}", picture(), "image/png")

    labels = list(expected["probabilities"])
    given = {"classes": labels[:2], "prior": json.dumps({labels[0]: 3, labels[1]: 1})}
    for query in ({"classes": labels[:2]}, given):
        (row,) = asked(**query).json["predictions"]
        assert row["probabilities"][labels[2]] == 0
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["label"] in labels[:2]
    refused = [{"prior": text} for text in ("[1", "1", '{"coat": true, "kurtā": 1}')]
    for query in ({"classes": labels[:1]}, {"classes": ["dress"]}, *refused):
        assert asked(**query).is_problem(422)
    assert asked(classes=["coal"]).json["detail"].endswith("did you mean coat?")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/predict?clases=coat", "clases"),
        ("/v1/explain?classes=coat", "classes"),
        ("/v1/nearest?classes=coat", "classes"),
        ("/invocations?classes=coat", "classes"),
    ],
)
def test_refuses_unknown_names_in_the_query(client: Client, path: str, name: str) -> None:
    answer = client.post(path, picture(), "image/png")
    assert answer.is_problem(422)
    assert f"takes no '{name}' in its query" in answer.json["detail"]


@pytest.mark.parametrize(
    ("path", "name"),
    [("/v1/predict", "classes"), ("/v1/predict", "prior"), ("/v1/explain", "label")],
)
def test_refuses_in_a_form_what_belongs_in_the_query(client: Client, path: str, name: str) -> None:
    answer = client.post_parts(path, ("file", "a.png", picture()), (name, None, b"coat"))
    assert answer.is_problem(422)
    assert answer.json["detail"] == f"Send '{name}' in the query, not in the form."


def test_refuses_classes_in_json(client: Client) -> None:
    document = {"images": [{"content": b64(picture())}], "classes": ["coat"]}
    answer = client.post_json("/v1/predict", document)
    assert answer.is_problem(422)
    assert answer.json["detail"] == "classes: Value error, send it in the query, not in the JSON"


def test_unknown_paths_and_methods_are_problems(client: Client) -> None:
    assert client.get("/nowhere").is_problem(404)
    assert client.get("/static/nothing.js").is_problem(404)
    assert client.get("/static/../api.py").is_problem(404)
    assert client.get("/v1/examples/x").is_problem(404)
    answer = client.get("/v1/predict")
    assert answer.is_problem(405)
    assert answer.headers["Allow"] == "POST"


def test_model_facts(client: Client, trained_folder: Path) -> None:
    facts = client.get("/v1/model").json
    assert facts["classes"] == ["coat", "kurtā", "T-shirt & top"]
    assert (facts["threshold"], facts["image_size"], facts["name"]) == (
        0.45,
        24,
        trained_folder.name,
    )
    assert (facts["explains"], facts["feedback"], facts["urls"]) == (True, True, True)
    assert facts["limits"] == {"max_bytes": 20 << 20, "max_images": 16}
    assert client.get("/readyz").json["model"]["digest"] == facts["digest"]
    assert client.get("/healthz").status == 200
    assert client.get("/v1/examples").json == {"examples": []}


def test_saves_feedback_before_the_response(client: Client, inbox: Path, expected: dict) -> None:
    for seed, label in [(0, "kurtā"), (0, "")]:
        answer = client.post_parts(
            "/v1/feedback", ("file", "x.gif", picture(seed)), ("label", None, label.encode())
        )
        assert (answer.status, answer.json) == (
            201,
            {"id": hashlib.sha256(picture(seed)).hexdigest()},
        )
    box = Inbox(inbox)
    (entry,) = box.entries()[0]
    assert (entry.id, box.read_image(entry)) == (expected["id"], picture())
    assert {item.label for item in entry.corrections} == {"kurtā", None}
    correction = entry.corrections[0]
    assert correction.extension == "png"
    assert correction.prediction == {
        key: expected[key] for key in ("label", "confidence", "sure", "unlike", "probabilities")
    }
    assert correction.model == {
        key: client.get("/v1/model").json[key] for key in ("name", "version", "digest")
    }


@pytest.mark.slow
@pytest.mark.parametrize("proxy", [["--proxy", "127.0.0.1"], []])
def test_a_client_of_another_machine_fills_a_part_of_the_inbox(
    trained_folder: Path, tmp_path: Path, proxy: list[str]
) -> None:
    code = (
        "from pixmill.serve.http import api; api._INBOX_SHARE = 2e-4; from pixmill.cli import "
        "main; main()"
    )
    options = ["--model", str(trained_folder), "--workers", "1", "--inbox", "inbox", *proxy]
    with Running(*options, cwd=tmp_path, start=(sys.executable, "-c", code)) as running:
        answers = []
        for seed, client in (
            (0, 1),
            (0, 1),
            (1, 1),
            (2, 1),
            (2, 2),
            (0, 1),
        ):  # An equal one counts once.
            body, kind = multipart(("file", "x", picture(seed)), ("label", None, b"coat"))
            headers = kind | {"X-Forwarded-For": f"192.0.2.{client}"}
            answers.append(Client(running.port).ask("POST", "/v1/feedback", body, headers))
    assert [answer.status for answer in answers] == [201, 201, 201, 429 if proxy else 201, 201, 201]
    assert not proxy or answers[3].is_problem(429)
    assert len([*(tmp_path / "inbox/corrections").iterdir()]) == 3


def test_refuses_incomplete_feedback_and_retries_a_broken_inbox(
    client: Client, inbox: Path
) -> None:
    image = ("file", "x", picture())
    label = ("label", None, b"coat")
    before = sorted(inbox.rglob("*"))
    wrong = [
        (image, ("label", None, b"trouser")),
        (("file", "x", b"no image"), label),
        (image,),
        (label,),
    ]
    for parts in (*wrong, (image, label, label)):
        assert client.post_parts("/v1/feedback", *parts).is_problem(422)
    assert sorted(inbox.rglob("*")) == before
    aside = inbox.rename(inbox.with_name("aside"))
    inbox.write_text("a file")
    answer = client.post_parts("/v1/feedback", image, label)
    inbox.unlink()
    aside.rename(inbox)
    assert answer.is_problem(503)
    assert answer.headers["Retry-After"] == "10"


def test_metrics_count_requests_and_predictions(client: Client) -> None:
    client.post("/v1/predict", picture(), "image/png")
    # The last one may be counted after its response.
    paths = (
        "/docs",
        "/static/docs.js",
        "/static/no.js",
        "/swagger/swagger-ui.css",
        "/openapi.json",
        "/anything/else",
    )
    for path in (*paths, "/healthz"):
        client.get(path)
    text = client.get("/metrics").content.decode()
    counted = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line[0] != "#"
    }
    assert counted['pixmill_requests_total{method="POST",route="/v1/predict",status="200"}'] >= 1
    assert counted['pixmill_requests_total{method="GET",route="other",status="404"}'] >= 1
    assert counted['pixmill_requests_total{method="GET",route="/static",status="404"}'] >= 1
    for route in ("/static", "/swagger", "/openapi.json", "/docs"):
        assert counted[f'pixmill_requests_total{{method="GET",route="{route}",status="200"}}'] >= 1
    assert 'route="other",status="200"' not in text
    assert (
        sum(
            value for name, value in counted.items() if name.startswith("pixmill_predictions_total")
        )
        >= 1
    )
    assert counted["pixmill_images_waiting"] == 0
    assert counted["pixmill_requests_in_flight"] == 1
    assert "anything" not in text


def test_pages_load_nothing_from_other_hosts(client: Client) -> None:
    for path in ("/", "/docs"):
        page = client.get(path)
        assert page.status == 200
        assert b"://" not in page.content.replace(b"http://www.w3.org/", b"")
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
    for path in ("/static/docs.js", "/swagger/swagger-ui-bundle.js", "/swagger/swagger-ui.css"):
        assert client.get(path).status == 200


def test_openapi_lists_all_routes_and_their_security(client: Client, locked: Client) -> None:
    document = client.get("/openapi.json").json
    # Relative to the document, since a proxy may serve it below any path.
    assert document["servers"] == [{"url": "."}]
    paths = document["paths"]
    assert len(paths) == 15
    keyed = [
        path
        for path, methods in paths.items()
        if any("security" in each for each in methods.values())
    ]
    for path in paths:
        asked = {locked.ask(method.upper(), path, b"", {}).status for method in paths[path]}
        assert (asked == {401}) == (path in keyed), path


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")
@pytest.mark.parametrize("key", [None, "second%20key"])
def test_mlflow_client(client: Client, locked: Client, expected: dict, key: str | None) -> None:
    """MLflow's client has no option for a key; the password in the URL is the key."""
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    server = locked if key else client
    scoring = ScoringServerClient(f"any:{key}@127.0.0.1" if key else "127.0.0.1", server.port)
    scoring.wait_server_ready()
    assert scoring.get_version() == __version__
    images = [b64(picture()), base64.encodebytes(picture()).decode(), b64(b"no image")]
    for data in (images, np.array(images), pd.DataFrame({"image": images})):
        for params in (None, {"top": 1}):
            table = scoring.invoke(data, params=params).get_predictions()
            assert list(table) == [
                "label",
                "confidence",
                "sure",
                "unlike",
                *PROBABILITIES,
                "reason",
            ]
            assert table["label"].tolist()[:2] == [expected["label"]] * 2
            assert table["confidence"].tolist()[:2] == [expected["confidence"]] * 2
            assert table["reason"][2] == "unknown"
    with pytest.raises(Exception, match=r"inputs\.0"):
        scoring.invoke([3])
    if key:
        with pytest.raises(Exception, match="Send an API key"):
            ScoringServerClient("127.0.0.1", server.port).invoke(images)


def test_refuses_heatmaps_of_unknown_classes(client: Client) -> None:
    assert client.post("/v1/explain?label=trouser", picture(), "image/png").is_problem(422)
    assert client.post_parts("/v1/explain", ("file", "a", b""), ("file", "b", b"")).is_problem(400)
    assert client.post_json("/v1/explain", {}).is_problem(415)


# Host, origin, keys and size of a request.


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[::2]:80"]
)
def test_refuses_other_hosts(client: Client, host: str) -> None:
    assert client.get("/v1/model", Host=host).is_problem(421)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:8000"])
def test_accepts_loopback_hosts(client: Client, host: str) -> None:
    assert client.get("/v1/model", Host=host).status == 200


def test_refuses_other_origins(client: Client) -> None:
    others = [
        f"http://127.0.0.1:{client.port + 1}",
        "http://127.0.0.1",
        f"https://127.0.0.1:{client.port}",
    ]
    for origin in (
        "https://evil.example",
        "null",
        "http://127.0.0.1.evil.example",
        "http://[",
        "x",
        *others,
    ):
        assert client.post("/v1/predict", picture(), "image/png", Origin=origin).is_problem(403)
    own = f"http://127.0.0.1:{client.port}"
    assert client.post("/v1/predict", picture(), "image/png", Origin=own).status == 200


@pytest.mark.parametrize("key", ["first", "second key", "third", "fourth"])
def test_accepts_keys_also_as_passwords(locked: Client, key: str) -> None:
    assert locked.get("/v1/model", Authorization=f"Bearer {key}").status == 200
    assert (
        locked.get("/v1/model", Authorization=f"Basic {b64(f'anyone:{key}'.encode())}").status
        == 200
    )


@pytest.mark.parametrize(
    "given", ["", "Bearer ", "Bearer firs", "Bearer first2", "Basic first", "first"]
)
def test_refuses_other_keys(locked: Client, given: str) -> None:
    for path in ("/v1/model", "/v1/examples"):
        answer = locked.get(path, Authorization=given)
        assert answer.is_problem(401)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert locked.post_json("/invocations", {}, Authorization=given).is_problem(401)


def test_refuses_disabled_features(locked: Client) -> None:
    key = {"Authorization": "Bearer first"}
    urls = locked.post_json("/v1/predict", {"images": [{"url": "http://a.example/"}]}, **key)
    assert urls.is_problem(403)
    assert locked.post("/v1/feedback", b"", "multipart/form-data", **key).is_problem(404)
    facts = locked.get("/v1/model", **key).json
    assert (facts["feedback"], facts["urls"]) == (False, False)


@pytest.mark.usefixtures("litert_js")
def test_offers_the_model_as_one_file(client: Client, trained_folder: Path) -> None:
    answer = client.get("/model.html")
    assert answer.content == build_page(find_model(str(trained_folder), None))
    assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    again = client.get("/model.html", **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status, again.content) == (304, b"")
    assert client.get("/v1/model").json["file"]


def test_refuses_compressed_bodies(client: Client) -> None:
    answer = client.post("/v1/predict", picture(), "image/png", **{"Content-Encoding": "gzip"})
    assert answer.is_problem(415)
    assert answer.json["detail"] == "Send the body uncompressed."


def send(port: int, *parts: bytes) -> bytes:
    """Send parts until the server closes the connection, and return its response."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
        with contextlib.suppress(ConnectionError):
            for part in parts:
                connection.sendall(part)
            connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(65536):
                answer += data
    return answer


START = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
FIELD = b"a" * 1000 + b": " + b"b" * 996 + b"\r\n"
CHUNKED = (
    b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
    b"image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.mark.parametrize(
    "parts",
    [
        [START + FIELD * 33 + b"\r\n"],
        [START, *[FIELD] * 30_000],
        [START, b"a: ", *[b"b" * 65536] * 1000],
        [b"GET /", *[b"b" * 65536] * 1000],
        [CHUNKED, b"1\r\nx\r\n0\r\n", *[FIELD] * 30_000],
        [CHUNKED, b"1;", *[b"b" * 65536] * 1000],
        [CHUNKED, *[b"1\r\nx\r\n" * 10_000] * 2000],
    ],
    ids=["head", "fields", "field", "path", "trailers", "extension", "chunks"],
)
def test_refuses_large_heads_and_chunked_bodies_cheaply(client: Client, parts: list[bytes]) -> None:
    before = client.process.cpu_times().user
    memory = client.process.memory_info().rss
    # The connection may be reset before the client reads the response.
    assert send(client.port, *parts)[:12] in (
        b"HTTP/1.1 431",
        b"HTTP/1.1 400",
        b"HTTP/1.1 411",
        b"",
    )
    assert client.process.memory_info().rss - memory < 32 << 20
    assert client.process.cpu_times().user - before < 2
    assert client.get("/healthz").status == 200


# A refused body needs little time and memory, and does not delay other requests.


SIZE = (20 << 20) - 100
JSON = "application/json"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
ROUTES = ["/v1/predict", "/invocations", "/v1/feedback", "/v1/explain", "/v1/fetch"]
EVERYWHERE = ("string", "url", "parts", "field")
"""Bodies that are sent to all routes; others are sent to the first two."""


def filled(head: bytes, unit: bytes, tail: bytes) -> bytes:
    """Return a body of 20 MiB."""
    return head + unit * ((SIZE - len(head) - len(tail)) // len(unit)) + tail


def part(name: str, file: str = "") -> bytes:
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()


END = f"\r\n--{BOUNDARY}--\r\n".encode()
OTHER = part("other", '; filename="x"')
BODIES = {
    "keys": (
        JSON,
        lambda: b"{" + b",".join(b'"%d":0' % number for number in range(360_000)) + b"}",
    ),
    "long key": (JSON, lambda: filled('{"\N{GRINNING FACE}'.encode(), b"A", b'":1}')),
    "objects": (JSON, lambda: filled(b'{"images":[', b"{},", b"{}]}")),
    "arrays": (JSON, lambda: filled(b'{"inputs":[', b"[],", b"[]]}")),
    "numbers": (JSON, lambda: filled(b'{"more":[', b"1,", b"1]}")),
    "digits": (JSON, lambda: filled(b'{"inputs":[', b"1", b"]}")),
    "depth": (JSON, lambda: filled(b"", b'{"a":', b"")),
    "string": (JSON, lambda: filled('{"inputs":["\N{GRINNING FACE}'.encode(), b"A", b'",1]}')),
    "escapes": (JSON, lambda: filled(b'{"inputs":["', b"\\u0100", b'",1]}')),
    "url": (JSON, lambda: filled(b'{"url":"', b"A", b'"}')),
    "parts": (FORM, lambda: filled(b"", part("label") + b"\r\n", END)),
    "heads": (FORM, lambda: filled(f"--{BOUNDARY}\r\n".encode(), b"a:\r\n", b"")),
    "field": (FORM, lambda: filled(part("label"), b"a", END)),
    "ends": (FORM, lambda: filled(OTHER, b"\r\n--", END)),
    "fields": ("application/x-www-form-urlencoded", lambda: filled(b"", b"a=b&", b"")),
}


@contextmanager
def watched(client: Client) -> Iterator[dict[str, float]]:
    """Measure the server: CPU seconds, MiB of memory, longest response time of /healthz."""
    seen = {"memory": 0.0, "wait": 0.0}
    before = client.process.cpu_times()
    memory = client.process.memory_info().rss
    ended = threading.Event()

    def weigh() -> None:
        while not ended.wait(0.005):
            seen["memory"] = max(
                seen["memory"], (client.process.memory_info().rss - memory) / 2**20
            )

    def ask() -> None:
        while not ended.wait(0.02):
            began = time.monotonic()
            assert client.get("/healthz").status == 200
            seen["wait"] = max(seen["wait"], time.monotonic() - began)

    threads = [threading.Thread(target=weigh), threading.Thread(target=ask)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        ended.set()
        for thread in threads:
            thread.join()
        after = client.process.cpu_times()
        seen["cpu"] = after.user + after.system - before.user - before.system


@pytest.mark.parametrize("name", BODIES)
def test_refuses_hostile_bodies_cheaply(client: Client, name: str) -> None:
    kind, made = BODIES[name]
    body = made()
    before = client.process.memory_info().rss
    for route in ROUTES if name in EVERYWHERE else ROUTES[:2]:
        with watched(client) as seen:
            assert 400 <= client.post(route, body, kind).status < 500
        assert seen["cpu"] <= 2
        assert seen["memory"] <= 256
        assert seen["wait"] <= 2
    # Memory that the last request freed may still count.
    assert client.process.memory_info().rss - before < 128 << 20


def test_accepts_the_largest_batches(client: Client) -> None:
    cell = base64.b64encode(picture() + bytes(970_000)).decode()
    answer = client.post_json("/invocations", {"inputs": [cell] * 16})
    assert [row["reason"] for row in answer.json["predictions"]] == [None] * 16
    # Refused by the rate limit, not by the number of commas.
    urls = [{"url": f"http://127.0.0.1/{','.ljust(4079, ',')}"}] * 16
    assert client.post_json("/v1/predict", {"images": urls}).is_problem(429)


def test_answers_and_corrections_of_several_labels(labels_folder: Path, tmp_path: Path) -> None:
    (expected,) = Classifier.load(labels_folder).predict([picture()])
    arguments = ["--model", str(labels_folder), "--workers", "1", "--inbox", str(tmp_path / "in")]
    with Running(*arguments, cwd=tmp_path) as running:
        client = Client(running.port, running.process)
        (row,) = client.post("/v1/predict", picture(), "image/png").json["predictions"]
        assert {each["label"]: each["answer"] for each in row["labels"]} == expected.labels
        assert {each["label"]: each["sure"] for each in row["labels"]} == expected.sure_labels
        assert row["label"] == expected.label
        assert row["probabilities"]["dark"] == pytest.approx(expected.probabilities[0], abs=1e-5)
        facts = client.get("/v1/model").json
        assert facts["labels"]["dark"] == {"threshold": 0.5, "sure_yes": 0.55, "sure_no": 0.45}
        image = ("file", "x.png", picture())
        sent = '{"dark": true, "kurtā; long": false}'.encode()
        assert client.post_parts("/v1/feedback", image, ("labels", None, sent)).status == 201
        refused = client.post_parts("/v1/feedback", image, ("label", None, b"dark"))
        assert refused.is_problem(422)
    ((entry,), _) = Inbox(tmp_path / "in").entries()
    assert entry.corrections[0].labels == {"dark": True, "kurtā; long": False}
    assert entry.corrections[0].prediction["labels"] == row["labels"]
