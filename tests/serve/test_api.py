"""The API answers images in each form, keeps to its limits, and says what is wrong with a request."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pixmill import __version__
from pixmill.serve.inbox import Inbox
from tests.serve.conftest import Client, b64, multipart, picture

pytestmark = pytest.mark.linux

PROBABILITIES = ["p_coat", "p_kurtā", "p_T-shirt & top"]


@pytest.mark.parametrize("kind", ["image/png", "image/anything", "application/octet-stream", "IMAGE/PNG; x=1"])
def test_raw_bytes_are_predicted_exactly_as_by_the_classifier(client: Client, expected: dict, kind: str) -> None:
    answer = client.post("/v1/predict", picture(), kind)
    assert answer.status == 200
    assert answer.json["predictions"] == [expected]
    assert set(answer.json["model"]) == {"name", "version", "digest"}


def test_files_come_back_in_order_with_their_names(client: Client, expected: dict) -> None:
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


def test_json_carries_images_in_base64(client: Client, expected: dict) -> None:
    answer = client.post_json("/v1/predict", {"images": [{"content": b64(picture())}, {"content": ""}]})
    first, second = answer.json["predictions"]
    assert first == expected
    assert second["reason"] == "empty"


def test_urls_of_inner_addresses_are_rows_with_a_reason_and_their_rate_is_bounded(client: Client) -> None:
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
        ({"images": [{}]}, 422),
        ({"images": ["x"]}, 422),
        ({"images": [{"content": 1}]}, 422),
        ({"images": [{"content": "a"}]}, 422),
        ({"images": [{"url": "http://\ud800.example/"}]}, 400),
        ({"images": [{"url": f"http://127.0.0.1/{'a' * 4080}"}]}, 422),
        ({"images": [{"content": ""}] * 17}, 422),
    ],
    ids=range(9),
)
def test_json_of_another_form_is_refused(client: Client, document: Any, status: int) -> None:
    assert client.post_json("/v1/predict", document).is_problem(status)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"x", "text/plain", 415),
        (b"x", "multipart/form-data", 400),
        (b"x", "multipart/form-data; boundary=y", 400),
        (multipart()[0], "multipart/form-data; boundary=6d0f2c", 422),
        (multipart(("other", "x", b"x"))[0], "multipart/form-data; boundary=6d0f2c", 422),
        (multipart(*[("file", "x", b"x")] * 17)[0], "multipart/form-data; boundary=6d0f2c", 400),
        (multipart(("file", None, b"x"))[0], "multipart/form-data; boundary=6d0f2c", 422),
        (bytes((20 << 20) + 1), "image/png", 413),
    ],
    ids=range(11),
)
def test_broken_requests_are_problems(client: Client, body: bytes, kind: str, status: int) -> None:
    assert client.post("/v1/predict", body, kind).is_problem(status)


def test_unknown_paths_and_methods_are_problems(client: Client) -> None:
    assert client.get("/nowhere").is_problem(404)
    assert client.get("/static/nothing.js").is_problem(404)
    assert client.get("/static/../api.py").is_problem(404)
    assert client.get("/v1/examples/x").is_problem(404)
    answer = client.get("/v1/predict")
    assert answer.is_problem(405)
    assert answer.headers["Allow"] == "POST"


def test_the_model_tells_what_it_is(client: Client, trained_folder: Path) -> None:
    facts = client.get("/v1/model").json
    assert facts["classes"] == ["coat", "kurtā", "T-shirt & top"]
    assert (facts["threshold"], facts["image_size"], facts["name"]) == (0.45, 24, trained_folder.name)
    assert (facts["explains"], facts["feedback"], facts["urls"]) == (True, True, True)
    assert facts["limits"] == {"max_bytes": 20 << 20, "max_images": 16}
    assert client.get("/readyz").json["model"]["digest"] == facts["digest"]
    assert client.get("/healthz").status == 200
    assert client.get("/v1/examples").json == {"examples": []}


def test_feedback_is_in_the_inbox_once_it_is_answered(client: Client, inbox: Path, expected: dict) -> None:
    for seed, label in [(0, "kurtā"), (0, "")]:
        answer = client.post_parts("/v1/feedback", ("file", "x.gif", picture(seed)), ("label", None, label.encode()))
        assert (answer.status, answer.json) == (201, {"id": hashlib.sha256(picture(seed)).hexdigest()})
    box = Inbox(inbox)
    (entry,) = box.entries()[0]
    assert (entry.id, box.read_image(entry)) == (expected["id"], picture())
    assert {item.label for item in entry.corrections} == {"kurtā", None}
    told = entry.corrections[0]
    assert told.extension == "png"
    assert told.prediction == {key: expected[key] for key in ("label", "confidence", "sure", "unlike", "probabilities")}
    assert told.model == {key: client.get("/v1/model").json[key] for key in ("name", "version", "digest")}


def test_feedback_that_says_nothing_is_refused_and_a_broken_inbox_is_for_later(client: Client, inbox: Path) -> None:
    image, label = ("file", "x", picture()), ("label", None, b"coat")
    before = sorted(inbox.rglob("*"))
    wrong = [(image, ("label", None, b"trouser")), (("file", "x", b"no image"), label), (image,), (label,)]
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
    client.get("/anything/else")
    text = client.get("/metrics").content.decode()
    counted = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[0] != "#"}
    assert counted['pixmill_requests_total{method="POST",route="/v1/predict",status="200"}'] >= 1
    assert counted['pixmill_requests_total{method="GET",route="other",status="404"}'] >= 1
    assert sum(value for name, value in counted.items() if name.startswith("pixmill_predictions_total")) >= 1
    assert counted["pixmill_images_waiting"] == 0
    assert counted["pixmill_requests_in_flight"] == 1
    assert "anything" not in text


def test_pages_load_nothing_from_outside(client: Client) -> None:
    for path in ("/", "/docs"):
        page = client.get(path)
        assert page.status == 200
        assert b"://" not in page.content.replace(b"http://www.w3.org/", b"")
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
    for path in ("/static/docs.js", "/swagger/swagger-ui-bundle.js", "/swagger/swagger-ui.css"):
        assert client.get(path).status == 200


def test_the_description_names_every_route_and_those_that_need_a_key(client: Client, locked: Client) -> None:
    paths = client.get("/openapi.json").json["paths"]
    assert len(paths) == 13
    keyed = [path for path, methods in paths.items() if any("security" in each for each in methods.values())]
    for path in paths:
        asked = {locked.ask(method.upper(), path, b"", {}).status for method in paths[path]}
        assert (asked == {401}) == (path in keyed), path


@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType")
@pytest.mark.parametrize("key", [None, "second%20key"])
def test_the_client_of_mlflow_is_answered(client: Client, locked: Client, expected: dict, key: str | None) -> None:
    """Unmodified; it knows no header for a key: the password in the address is one."""
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    server = locked if key else client
    scoring = ScoringServerClient(f"any:{key}@127.0.0.1" if key else "127.0.0.1", server.port)
    scoring.wait_server_ready()
    assert scoring.get_version() == __version__
    images = [b64(picture()), base64.encodebytes(picture()).decode(), b64(b"no image")]
    for data in (images, np.array(images), pd.DataFrame({"image": images})):
        for params in (None, {"top": 1}):
            table = scoring.invoke(data, params=params).get_predictions()
            assert list(table) == ["label", "confidence", "sure", "unlike", *PROBABILITIES, "reason"]
            assert table["label"].tolist()[:2] == [expected["label"]] * 2
            assert table["confidence"].tolist()[:2] == [expected["confidence"]] * 2
            assert table["reason"][2] == "unknown"
    with pytest.raises(Exception, match=r"inputs\.0"):
        scoring.invoke([3])
    if key:
        with pytest.raises(Exception, match="Send an API key"):
            ScoringServerClient("127.0.0.1", server.port).invoke(images)


@pytest.mark.slow
def test_a_network_that_keras_alone_explains_is_explained(client: Client) -> None:
    answer = client.post("/v1/explain?label=coat", picture(), "image/png")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")
    assert client.post("/v1/explain", b"no image", "image/png").is_problem(422)


def test_an_explanation_needs_a_class_that_there_is(client: Client) -> None:
    assert client.post("/v1/explain?label=trouser", picture(), "image/png").is_problem(422)
    assert client.post_parts("/v1/explain", ("file", "a", b""), ("file", "b", b"")).is_problem(400)
    assert client.post_json("/v1/explain", {}).is_problem(415)
