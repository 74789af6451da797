"""Clients of MLflow, TensorFlow Serving, KServe and Hugging Face are answered in the form that they read."""

import base64
import json
from typing import Any

import pytest

from pixmill import __version__
from tests.serve.conftest import Client, b64, picture

pytestmark = pytest.mark.linux

IMAGE, WRAPPED = b64(picture()), base64.encodebytes(picture()).decode()
COLUMNS = ["label", "confidence", "sure", "unlike", "p_coat", "p_kurtā", "p_T-shirt & top", "reason"]
SCORES = ["/invocations", "/v1/models/default:predict"]


def rows(answer: Any) -> list[tuple[str | None, float | None, str | None]]:
    """Return label, confidence and reason of each answer."""
    assert answer.status == 200, answer.content
    assert all(list(row) == COLUMNS for row in answer.json["predictions"])
    return [(row["label"], row["confidence"], row["reason"]) for row in answer.json["predictions"]]


@pytest.fixture
def known(expected: dict[str, Any]) -> tuple[str, float, None]:
    return expected["label"], expected["confidence"], None


@pytest.mark.parametrize(
    "form",
    [
        lambda cells: {"inputs": cells},
        lambda cells: {"inputs": [[cell] for cell in cells], "more": 1},
        lambda cells: {"inputs": cells, "params": {"top": 1}},
        lambda cells: {"instances": cells},
        lambda cells: {"dataframe_records": [{"image": cell} for cell in cells]},
        lambda cells: {"dataframe_split": {"columns": ["image"], "index": [4, 5], "data": [[cell] for cell in cells]}},
        lambda cells: {"dataframe_split": {"data": [[cell] for cell in cells]}, "params": None},
    ],
    ids=range(7),
)
@pytest.mark.parametrize("image", [IMAGE, WRAPPED, {"b64": IMAGE}], ids=range(3))
def test_invocations_answer_as_the_model_in_mlflow(client: Client, known: tuple, form: Any, image: Any) -> None:
    unknown = (None, None, "unknown")
    assert rows(client.post_json("/invocations", form([image, b64(b"no image")]))) == [known, unknown]


@pytest.mark.parametrize(
    ("table", "number"),
    [
        (f"image\n{IMAGE}\n{IMAGE}\n", 2),
        (f'anything\n"{WRAPPED}"', 1),
        (f"image,label\r\n{IMAGE},coat\r\n", 1),
        ("image\n", 0),
        (f"image\n{b64(picture() + bytes(200_000))}\n", 1),
        (f"\n\nimage\r\n  \r\n{IMAGE}\r\n\r\n{IMAGE}\n" + "\n" * 20, 2),
    ],
    ids=range(6),
)
def test_invocations_take_a_table_in_csv(client: Client, known: tuple, table: str, number: int) -> None:
    assert rows(client.post("/invocations", table.encode(), "text/csv; charset=UTF-8")) == [known] * number


def test_invocations_take_the_bytes_of_an_image(client: Client, known: tuple) -> None:
    for kind in ("image/png", "application/x-image"):
        assert rows(client.post("/invocations", picture(), kind)) == [known]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "Expected an object with inputs, instances, dataframe_records or dataframe_split."),
        ([], "Expected an object with inputs, instances, dataframe_records or dataframe_split."),
        ({"inputs": [1]}, "inputs.0: expected an image in base64: a string"),
        ({"instances": ["", "a"]}, "instances.1: expected an image in base64: Invalid base64-encoded string"),
        ({"instances": [{"a": "", "b": ""}]}, "instances.0: expected an image in base64: a string, or an object"),
        ({"instances": [[{"image": {"b64": ""}}]]}, "instances.0: expected an image in base64: a string, or an object"),
        ({"instances": {}}, "instances: Input should be a valid list"),
        ({"dataframe_split": {"data": [["", ""]]}}, "dataframe_split.data.0: List should have at most 1 item"),
        ({"dataframe_records": [""] * 17}, "A request may have 16 images at most."),
    ],
    ids=range(9),
)
def test_a_wrong_body_says_what_is_wrong_with_its_own_key(client: Client, document: Any, said: str) -> None:
    answer = client.post_json("/invocations", document)
    assert answer.is_problem(422)
    assert answer.json["detail"].startswith(said)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"x", "text/plain", 415),
        (b"{}", "application/json; charset=latin-1", 415),
        (b"{}", "application/json; format=pandas-split", 415),
        (b"PAR1", "application/vnd.apache.parquet", 415),
        (b"", "text/csv", 400),
        (b"image\n\xff\n", "text/csv", 400),
        (b'image\n"a', "text/csv", 400),
        (b"image\na\n", "text/csv", 422),
        (b"image\n" + b'""\n' * 17, "text/csv", 422),
        (b"\n", "text/csv", 400),
        (b"," * 1_000_001, "text/csv", 422),
        (b"\r\n" * 500_001, "text/csv", 422),
    ],
    ids=range(12),
)
def test_invocations_of_another_form_are_refused(client: Client, body: bytes, kind: str, status: int) -> None:
    assert client.post("/invocations", body, kind).is_problem(status)


def test_health_and_version_are_those_of_mlflow(client: Client) -> None:
    assert {client.get(path).status for path in ("/ping", "/health", "/version")} == {200}
    assert client.get("/version").content.decode() == __version__


def test_the_model_is_known_by_its_name_and_as_default(client: Client) -> None:
    name = client.get("/v1/model").json["name"]
    assert client.get("/v1/models").json == {"models": ["default", name]}
    for known in ("default", name):
        told = client.get(f"/v1/models/{known}").json
        assert (told["name"], told["ready"]) == (known, True)
        (version,) = told["model_version_status"]
        assert version == {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        versioned = f"/v1/models/{known}/versions/1"
        assert client.get(versioned).json == told
        assert client.post_json(f"{versioned}:predict", {"instances": []}).json == {"predictions": []}
    for method, path in [("GET", "/v1/models/other"), ("POST", "/v1/models/other:predict")]:
        answer = client.ask(method, path, b"{}", {"Content-Type": "application/json"})
        assert answer.is_problem(404)
        assert answer.json["detail"] == f"There is no model 'other'; this server has default and {name}."


@pytest.mark.parametrize("cell", [IMAGE, {"b64": IMAGE}, {"image": {"b64": IMAGE}}, {"image": IMAGE}], ids=range(4))
def test_instances_are_predicted_as_by_tensorflow_serving(client: Client, known: tuple, cell: Any) -> None:
    for more in ({}, {"signature_name": "serving_default"}, {"parameters": {"a": [1]}}):
        assert rows(client.post_json("/v1/models/default:predict", {"instances": [cell], **more})) == [known]


def test_the_type_that_curl_sends_is_ignored_as_by_tensorflow_serving(client: Client, known: tuple) -> None:
    body = json.dumps({"instances": [{"b64": IMAGE}]}).encode()
    assert rows(client.post("/v1/models/default:predict", body, "application/x-www-form-urlencoded")) == [known]
    assert client.post("/v1/models/default:predict", b"a=b", "application/x-www-form-urlencoded").is_problem(400)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"inputs": [IMAGE]}, "instances: Field required"),
        ({"instances": [3]}, "instances.0: expected an image in base64"),
        ({"instances": [IMAGE], "signature_name": "other"}, "signature_name: Input should be 'serving_default'"),
        ({"instances": [IMAGE], "more": 1}, "more: Extra inputs are not permitted"),
    ],
    ids=range(4),
)
def test_wrong_instances_are_refused(client: Client, document: Any, said: str) -> None:
    answer = client.post_json("/v1/models/default:predict", document)
    assert answer.is_problem(422)
    assert answer.json["error"].startswith(said)


def test_labels_and_scores_come_as_from_hugging_face(client: Client, expected: dict[str, Any]) -> None:
    ranked = sorted(expected["probabilities"].items(), key=lambda pair: -pair[1])
    told = [{"label": label, "score": score} for label, score in ranked]
    where = "/v1/image-classification"
    for kind in ("image/png", "application/octet-stream"):
        assert client.post(where, picture(), kind).json == told
    assert client.ask("POST", where, picture(), {}).json == told
    asked = {"inputs": IMAGE, "parameters": {"top_k": 2, "function_to_apply": "softmax"}}
    assert client.post_json(where, asked).json == told[:2]
    for refused in (
        client.post(where, b"no image", "image/png"),
        client.post_json(where, {"inputs": [1, 2]}),
        client.post_json(where, {"inputs": IMAGE, "parameters": {"top_k": 0}}),
        client.post_json(where, {"inputs": IMAGE, "parameters": {"function_to_apply": "sigmoid"}}),
    ):
        assert refused.is_problem(422)
    assert client.post(where, b"x", "text/plain").is_problem(415)
