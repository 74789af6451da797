"""Upper bound: Pillow and LiteRT in one process per processor, without limits, hashes or files."""

import multiprocessing
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from predicting import Answers, compete

from pixmill.images.compute import default_workers

state = {}


def prepare(model: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    from pixmill.models.litert import converted_files, quiet
    from pixmill.models.model_folder import read_description

    with quiet():
        networks = [
            Interpreter(str(model / name), num_threads=1)
            for name in reversed(converted_files(model))
        ]
        for network in networks:
            network.allocate_tensors()
    state["networks"] = networks
    state["description"] = read_description(model)


def answer(path: Path) -> list[float]:
    from pixmill.images.fit import fit
    from pixmill.models.litert import main_output

    description = state["description"]
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    value = fit(pixels, description["image_size"], description["aspect"], description["resize"])[
        None
    ].astype(np.float32)
    for network in state["networks"]:
        network.set_tensor(network.get_input_details()[0]["index"], value)
        network.invoke()
        # A backbone also outputs its feature maps, and a head the novelty.
        outputs = network.get_signature_runner().get_output_details()
        value = network.get_tensor(outputs[main_output(list(outputs))]["index"])
    powers = np.exp(value[0].astype(np.float64) - value[0].max())
    return (powers / powers.sum()).tolist()


def predict(paths: Sequence[Path], model: Path) -> Answers:
    context = multiprocessing.get_context("spawn")
    with context.Pool(default_workers(), prepare, (model,)) as pool:
        return list(pool.imap(answer, paths, chunksize=16))


if __name__ == "__main__":
    compete(predict)
