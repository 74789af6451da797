"""The page of a model in a file, in Firefox."""

import base64
import json
from pathlib import Path

import pytest

from pixmill.models.classifier import Classifier
from pixmill.serve.predict.model import Model
from tests.firefox import open_firefox


@pytest.mark.usefixtures("firefox")
def test_firefox_gives_the_probabilities_of_python(
    model_page: Path, model: Model, shared: Path
) -> None:
    photos = [shared / "photos" / name for name in ("00.jpeg", "01.png", "02.webp")]
    contents = [photo.read_bytes() for photo in photos]
    sent = json.dumps([base64.b64encode(content).decode() for content in contents])
    script = f"""load(embedded.modules, 'api').then(async ({{ predict }}) => {{
      const found = [];
      for (const content of {sent}) {{
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        found.push((await predict(new Blob([bytes]))).probabilities);
      }}
      return JSON.stringify(found);
    }})"""
    with open_firefox(model_page) as evaluate:
        found = json.loads(evaluate(script))
    expected = Classifier.load(model.path).predict(contents)
    for probabilities, prediction in zip(found, expected, strict=True):
        assert prediction.probabilities is not None
        assert list(probabilities.values()) == pytest.approx(prediction.probabilities, abs=1e-6)


@pytest.mark.usefixtures("firefox")
@pytest.mark.parametrize("resists", [False, True])
def test_a_browser_that_disturbs_pixels_is_noticed(model_page: Path, resists: bool) -> None:
    script = "load(embedded.modules, 'pixels').then(({ isDisturbed }) => isDisturbed())"
    with open_firefox(model_page, {"privacy.resistFingerprinting": resists}) as evaluate:
        assert evaluate(script) is resists
