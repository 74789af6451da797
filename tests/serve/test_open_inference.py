"""The Open Inference Protocol: its documents, its tensors in JSON and in binary, and what is refused."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from pixmill import __version__
from pixmill.serve.open_inference import HEAD_LENGTH
from tests.serve.conftest import Answered, Client, b64, picture

pytestmark = pytest.mark.linux

LABELS = ["coat", "kurtā", "T-shirt & top"]
OUTPUTS = ["label", "confidence", "sure", "unlike", "probabilities", "reason"]
KINDS = {"FP64": "<f8", "INT8": "i1"}


def tensor(**changes: Any) -> dict[str, Any]:
    given = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [b64(picture())], **changes}
    return {key: value for key, value in given.items() if value is not None}


def infer(client: Client, document: Any, *contents: bytes, tail: bytes | None = None) -> Answered:
    """Send tensors: in JSON, or with images in binary behind it."""
    if tail is None:
        tail = b"".join(struct.pack("<I", len(content)) + content for content in contents)
    if not tail:
        return client.post_json("/v2/models/default/infer", document)
    head = json.dumps(document).encode()
    return client.post(
        "/v2/models/default/infer", head + tail, "application/octet-stream", **{HEAD_LENGTH: str(len(head))}
    )


def binary(*contents: bytes, **changes: Any) -> dict[str, Any]:
    size = sum(4 + len(content) for content in contents)
    return tensor(data=None, shape=[len(contents)], parameters={"binary_data_size": size}, **changes)


def outputs(answer: Answered) -> dict[str, Any]:
    """Return the values of each output."""
    assert answer.status == 200, answer.content
    length = answer.headers[HEAD_LENGTH]
    end = int(length) if length else len(answer.content)
    told, rest, found = json.loads(answer.content[:end]), answer.content[end:], {}
    for output in told["outputs"]:
        values = output.get("data")
        if values is None:
            size = output["parameters"]["binary_data_size"]
            content, rest = rest[:size], rest[size:]
            if output["datatype"] == "BYTES":
                values = []
                while content:
                    (size,) = struct.unpack_from("<I", content)
                    values.append(content[4 : 4 + size].decode())
                    content = content[4 + size :]
            else:
                values = np.frombuffer(content, KINDS[output["datatype"]]).tolist()
        found[output["name"]] = np.reshape(values, output["shape"]).tolist()
    assert not rest
    return found


@pytest.fixture
def tensors(expected: dict[str, Any]) -> dict[str, Any]:
    """What is said of an image and of a file that is none."""
    return {
        "label": [expected["label"], ""],
        "confidence": [expected["confidence"], 0],
        "sure": [int(expected["sure"]), -1],
        "unlike": [-1, -1],
        "probabilities": [list(expected["probabilities"].values()), [0, 0, 0]],
        "reason": ["", "unknown"],
    }


def test_server_and_model_describe_themselves(client: Client) -> None:
    assert client.get("/v2").json == {"name": "pixmill", "version": __version__, "extensions": ["binary_tensor_data"]}
    name = client.get("/v1/model").json["name"]
    for known in ("default", name):
        told = client.get(f"/v2/models/{known}").json
        assert (told["name"], told["versions"], told["parameters"]) == (known, ["1"], {"classes": LABELS})
        assert told["inputs"] == [{"name": "image", "datatype": "BYTES", "shape": [-1]}]
        assert [output["name"] for output in told["outputs"]] == OUTPUTS
        assert told["outputs"][4]["shape"] == [-1, 3]
        assert client.get(f"/v2/models/{known}/ready").status == 200
        versioned = f"/v2/models/{known}/versions/1"
        assert (client.get(versioned).json, client.get(f"{versioned}/ready").status) == (told, 200)
    assert {client.get(f"/v2/health/{state}").status for state in ("live", "ready")} == {200}
    for path in ("/v2/models/other", "/v2/models/other/ready", "/v2/models/default/versions/2"):
        assert client.get(path).is_problem(404)
    answer = client.get("/v2/models/default/versions/2/ready")
    assert answer.json["detail"] == "There is no version '2'; this server has 1."
    assert client.post_json("/v2/models/other/infer", {}).is_problem(404)


@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_tensors_in_json_are_answered_in_json(client: Client, tensors: dict[str, Any], shape: list[int]) -> None:
    cells: list[Any] = [b64(picture()), b64(b"no image")]
    for data in (cells, [[cell] for cell in cells]):
        answer = infer(client, {"id": "seven", "inputs": [tensor(shape=shape, data=data)]})
        assert outputs(answer) == tensors
        assert (answer.json["id"], answer.json["model_name"], answer.json["model_version"]) == ("seven", "default", "1")
        assert answer.headers[HEAD_LENGTH] is None


def test_tensors_in_binary_are_answered_in_binary_where_that_is_asked_for(
    client: Client, tensors: dict[str, Any]
) -> None:
    contents = (picture(), b"no image")
    asked = {"inputs": [binary(*contents)], "parameters": {"binary_data_output": True, "priority": 3}}
    answer = infer(client, asked, *contents)
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert outputs(answer) == tensors
    assert outputs(infer(client, {"inputs": [binary(*contents)]}, *contents)) == tensors
    wanted = [{"name": "label"}, {"name": "probabilities", "parameters": {"binary_data": True}}, {"name": "label"}]
    answer = infer(client, {"inputs": [binary(*contents)], "outputs": wanted}, *contents)
    assert [output["name"] for output in json.loads(answer.content[: int(answer.headers[HEAD_LENGTH])])["outputs"]] == [
        "label",
        "probabilities",
    ]
    assert outputs(answer) == {name: tensors[name] for name in ("label", "probabilities")}


def test_no_image_is_no_row(client: Client) -> None:
    none = {name: [] for name in OUTPUTS}
    for wanted in ([], [{"name": name} for name in OUTPUTS]):
        assert outputs(infer(client, {"inputs": [tensor(shape=[0], data=[])], "outputs": wanted})) == none


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"datatype": "UINT8"}, "inputs.0.datatype: Input should be 'BYTES'"),
        ({"shape": [2]}, "inputs.0.shape: expected [1], as many as there are images."),
        ({"shape": [1, 2]}, "inputs.0.shape: expected [1]"),
        ({"data": ["a"]}, "inputs.0.data.0: expected an image in base64"),
        ({"data": None}, "inputs.0: expected data, or parameters.binary_data_size"),
        ({"parameters": {"binary_data_size": 4}}, "inputs.0: expected data, or parameters.binary_data_size"),
        ({"parameters": {"shared_memory_region": "x"}}, "inputs.0.parameters.shared_memory_region: Extra inputs"),
        ({"data": None, "parameters": {"binary_data_size": 4}}, "inputs.0.parameters.binary_data_size: 0 bytes came"),
    ],
    ids=range(8),
)
def test_a_wrong_tensor_says_what_is_wrong(client: Client, changes: dict[str, Any], said: str) -> None:
    answer = infer(client, {"inputs": [tensor(**changes)]})
    assert answer.is_problem(422)
    assert answer.json["error"].startswith(said)


@pytest.mark.parametrize(
    ("tail", "said"),
    [
        (b"\x01\x00\x00", "inputs.0: the binary data ends within an element."),
        (b"\x05\x00\x00\x00abcd", "inputs.0: the binary data ends within an element."),
        (b"\xff\xff\xff\xff", "inputs.0: the binary data ends within an element."),
        (bytes(4 * 17), "A request may have 16 images at most."),
        (bytes(8 << 20), "A request may have 16 images at most."),
    ],
    ids=range(5),
)
def test_wrong_binary_data_is_refused(client: Client, tail: bytes, said: str) -> None:
    given = tensor(data=None, parameters={"binary_data_size": len(tail)})
    answer = infer(client, {"inputs": [given]}, tail=tail)
    assert answer.is_problem(422)
    assert answer.json["detail"] == said


@pytest.mark.parametrize("length", ["x", "-1", "99", "1" * 5000, ""])
def test_a_wrong_length_of_the_head_is_refused(client: Client, length: str) -> None:
    answer = client.post("/v2/models/default/infer", b"{}", "application/octet-stream", **{HEAD_LENGTH: length})
    assert answer.is_problem(400)


def test_other_outputs_and_types_are_refused(client: Client) -> None:
    for wanted in ({"name": "other"}, {"name": "label", "parameters": {"classification": 2}}):
        assert infer(client, {"inputs": [tensor()], "outputs": [wanted]}).is_problem(422)
    assert infer(client, {"inputs": []}).is_problem(422)
    assert infer(client, {"inputs": [tensor()], "id": "7" * 257}).is_problem(422)
    assert infer(client, {"inputs": [tensor()] * 2}).is_problem(422)
    assert client.post("/v2/models/default/infer", b"{}", "text/plain").is_problem(415)
    assert client.post("/v2/models/default/infer", b"{", "application/json").is_problem(400)
