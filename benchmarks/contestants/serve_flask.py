"""Flask and ``model.predict``, as tutorials serve a Keras model: gunicorn runs ``serve_flask:app``."""

import io
import json
import os
from pathlib import Path

import numpy as np
from flask import Flask, jsonify, request
from PIL import Image

from pixmill.images.fit import fit
from pixmill.models.model_folder import load_classifier

folder = Path(os.environ["CLASSIFIER"])
model, labels = load_classifier(folder)
side = json.loads((folder / "labels.json").read_text())["image_size"]
model.predict(np.zeros((1, side, side, 3), np.float32), verbose=0)
app = Flask(__name__)


@app.post("/predict")
def predict():
    image = Image.open(io.BytesIO(request.files["file"].read())).convert("RGB")
    pixels = fit(np.asarray(image), side)
    probabilities = model.predict(pixels[None].astype(np.float32), verbose=0)[0]
    return jsonify(
        {label: float(value) for label, value in zip(labels, probabilities, strict=True)}
    )
