"""The routes below /v1: predict, explain, what the model is, examples, and feedback."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from pixmill.compute import ServiceFullError
from pixmill.core.errors import PixmillError
from pixmill.images import EXTENSIONS, sniff
from pixmill.learn.classifier import Prediction
from pixmill.learn.inference import Answer
from pixmill.learn.prediction_reasons import meaning
from pixmill.serve import schemas
from pixmill.serve.answering import UNEXPLAINED
from pixmill.serve.bodies import UploadedImage, WebImage, one_image, read_address, read_correction, read_images
from pixmill.serve.bucket_store import StorageUnavailableError
from pixmill.serve.correction import correction_of
from pixmill.serve.examples import ExampleImages
from pixmill.serve.inbox import Inbox, InboxFullError
from pixmill.serve.loaded import LoadedModel
from pixmill.serve.metrics import Metrics
from pixmill.serve.models import Models
from pixmill.serve.settings import MAX_IMAGES, Settings
from pixmill.serve.web import Web
from pixmill.web.fetch import Refused
from pixmill.web.problems import ProblemError

_LOG = logging.getLogger("pixmill.serve")


class Endpoints:
    """Answer for whichever model serves now.

    Args:
        settings: The service's.
        models: The models.
        metrics: What is counted.
        web: Fetches URLs; ``None``: there are none.
    """

    def __init__(self, settings: Settings, models: Models, metrics: Metrics, web: Web | None) -> None:
        self.settings, self.models, self._metrics, self._web = settings, models, metrics, web
        self.inbox = _open_inbox(settings)
        self.examples = ExampleImages(settings.root)

    @property
    def loaded(self) -> LoadedModel:
        """The model that answers.

        Raises:
            ProblemError: There is none: the service starts or ends.
        """
        if self.models.current is None:
            raise _busy("The server is starting or closing.", 5)
        return self.models.current

    def named(self, path: str) -> tuple[str, LoadedModel]:
        """Return the name and the model that a client asks for.

        Args:
            path: The name, with or without ``/versions/<version>`` behind it.

        Raises:
            ProblemError: It has another name or version, or there is none: the service starts or ends.
        """
        name, _, version = path.partition("/versions/")
        names, loaded = self.models.names, self.loaded
        if name not in names:
            raise ProblemError(404, f"There is no model '{name}'; this server has {' and '.join(names)}.")
        if version not in ("", loaded.served_version):
            raise ProblemError(404, f"There is no version '{version}'; this server has {loaded.served_version}.")
        return name, loaded

    async def predict(self, contents: Sequence[bytes], path: str = "default") -> tuple[LoadedModel, list[Answer]]:
        """Return the answers for images, and the model that gave them.

        Args:
            contents: The images' bytes.
            path: The model's name, as for :meth:`named`: another may serve by now.

        Raises:
            ProblemError: As :meth:`named`, or too many images wait.
        """
        _, loaded = self.named(path)
        if not contents:
            return loaded, []
        try:
            outcomes = await asyncio.gather(*map(asyncio.wrap_future, loaded.predict(contents)))
        except ServiceFullError as error:
            raise _busy("Too many images wait to be predicted.", 1) from error
        except PixmillError as error:
            _LOG.error("%s", error.message)
            raise _busy("No process could be started to predict it.", 10) from error
        answers = []
        for content, found in zip(contents, outcomes, strict=True):
            answer = found
            if not isinstance(found, Answer):  # It was given up.
                answer = Answer(hashlib.sha256(content).hexdigest(), Prediction(reason=found))
            self._metrics.count_prediction(answer.prediction)
            answers.append(answer)
        return loaded, answers

    async def explain(self, content: bytes, label: str | None) -> bytes:
        """Return a PNG of where the model looked.

        Raises:
            ProblemError: The model cannot say, there is no such class, the image cannot be read, or too many wait.
        """
        loaded = self.loaded
        if label is not None and label not in loaded.model.labels:
            raise ProblemError(422, f"There is no class '{label}'.")
        if not loaded.explains:
            raise ProblemError(404, "This model cannot show where it looked.")
        try:
            future = loaded.explain(content, label)
        except ServiceFullError as error:
            raise _busy("Too many images wait to be explained.", 1) from error
        shown = await asyncio.wrap_future(future)
        if isinstance(shown, bytes):
            return shown
        if shown == UNEXPLAINED:
            raise ProblemError(404, "This model cannot show where it looked.")
        raise ProblemError(422, f"{meaning(shown)}.")

    async def fetch(self, request: Request, images: Sequence[UploadedImage | WebImage]) -> list[bytes | Refused]:
        """Return the bytes of each image, those of URLs fetched.

        Raises:
            ProblemError: The client has had too many URLs fetched, or too much is in memory.
        """
        urls = [image.url for image in images if isinstance(image, WebImage)]
        found: list[bytes | Refused] = []
        if urls:
            assert self._web is not None
            client = request.client.host if request.client else ""
            found = await self._web.fetch(client, urls, request.scope["hold"])
        fetched = iter(found)
        return [image.content if isinstance(image, UploadedImage) else next(fetched) for image in images]


async def _endpoints(request: Request) -> Endpoints:
    endpoints: Endpoints = request.app.state.endpoints
    return endpoints


InjectedEndpoints = Annotated[Endpoints, Depends(_endpoints)]
"""The :class:`Endpoints` of the application, as an argument of a route."""

router, url_router, feedback_router = (APIRouter(prefix="/v1", default_response_class=JSONResponse) for _ in range(3))
"""The routes of every server, those where URLs are fetched, and those where corrections are taken."""


@router.post(
    "/predict",
    response_model=schemas.Predictions,
    responses=schemas.problems(400, 401, 403, 413, 415, 421, 422, 429, 503),
)
async def predict(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Predict images: one or several files, the bytes of one, or JSON with base64 or URLs."""
    images = await read_images(request, urls=endpoints.settings.urls)
    found = await endpoints.fetch(request, images)
    loaded, answers = await endpoints.predict([content for content in found if isinstance(content, bytes)])
    rest = iter(answers)
    rows = []
    for image, content in zip(images, found, strict=True):
        name = image.url if isinstance(image, WebImage) else image.name or None
        answer = Answer(None, Prediction(reason=content.reason)) if isinstance(content, Refused) else next(rest)
        rows.append(_row(answer, loaded.model.labels, name))
    return JSONResponse({"model": _model_facts(loaded), "predictions": rows})


@url_router.post(
    "/fetch",
    response_class=Response,
    responses=schemas.describe_answer("application/octet-stream", "The image's bytes.")
    | schemas.problems(400, 401, 403, 413, 415, 421, 422, 429, 503),
    openapi_extra=schemas.address_body(),
)
async def fetch(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Return the image that a URL names: the page shows it, and reaches no other host itself."""
    (content,) = await endpoints.fetch(request, [await read_address(request)])
    reason = content.reason if isinstance(content, Refused) else sniff(content)
    if isinstance(content, Refused) or reason not in EXTENSIONS:
        raise ProblemError(422, f"{meaning(reason)}.")
    return Response(content, media_type="application/octet-stream", headers={"Content-Disposition": "attachment"})


@router.post(
    "/explain",
    response_class=Response,
    responses=schemas.describe_answer("image/png", "The image in grey, with what speaks for the class in colour.")
    | schemas.problems(400, 401, 403, 404, 413, 415, 421, 422, 503),
    openapi_extra=schemas.image_body(),
)
async def explain(request: Request, endpoints: InjectedEndpoints, label: str | None = None) -> Response:
    """Show where the model looked in an image, for a class; without one: for its answer."""
    content = (await one_image(request)).content
    return Response(await endpoints.explain(content, label), media_type="image/png")


@router.get("/model", response_model=schemas.ModelInfo, responses=schemas.problems(401, 421, 503))
async def model(endpoints: InjectedEndpoints) -> Response:
    """Tell what is known of the model, and what this server does with it."""
    loaded, settings = endpoints.loaded, endpoints.settings
    facts = loaded.model
    return JSONResponse(
        {
            **_model_facts(loaded),
            "commit": facts.commit,
            "classes": facts.labels,
            "threshold": facts.threshold,
            "image_size": facts.image_size,
            "metrics": facts.metrics,
            "explains": loaded.explains,
            "feedback": endpoints.inbox is not None,
            "urls": settings.urls,
            "limits": {"max_bytes": settings.max_bytes, "max_images": MAX_IMAGES},
        }
    )


@router.get("/examples", response_model=schemas.Examples, responses=schemas.problems(401, 421, 503))
async def examples(endpoints: InjectedEndpoints) -> Response:
    """List some test images of each class."""
    found = (await endpoints.examples.of(endpoints.loaded.model.labels)).values()
    return JSONResponse(
        {"examples": [{"id": one.id, "label": one.label, "url": f"/v1/examples/{one.id}"} for one in found]}
    )


@router.get(
    "/examples/{id}",
    response_class=Response,
    responses=schemas.describe_answer("image/jpeg", "The image.") | schemas.problems(401, 404, 421, 503),
)
async def example(id: str, endpoints: InjectedEndpoints) -> Response:  # noqa: A002
    """Return a test image."""
    found = (await endpoints.examples.of(endpoints.loaded.model.labels)).get(id)
    if found is None:
        raise ProblemError(404, "There is no such example.")
    return Response(found.jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})


@feedback_router.post(
    "/feedback",
    status_code=201,
    response_model=schemas.Filed,
    responses=schemas.problems(400, 401, 403, 413, 415, 421, 422, 503),
)
async def feedback(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Keep an image with the class that it should have had; it is kept for good before the answer comes."""
    image, label = await read_correction(request)
    if label and label not in endpoints.loaded.model.labels:
        raise ProblemError(422, f"There is no class '{label}'.")
    loaded, (answer,) = await endpoints.predict([image.content])
    row = _row(answer, loaded.model.labels, None)
    if answer.prediction.reason is not None:
        raise ProblemError(422, row["message"])
    examples = (await endpoints.examples.of(loaded.model.labels)).values()
    correction = correction_of(
        image.content,
        extension=EXTENSIONS[sniff(image.content)],
        prediction={key: row[key] for key in ("label", "confidence", "sure", "unlike", "probabilities")},
        label=label or None,
        model=_model_facts(loaded),
        original=next((example.id for example in examples if example.jpeg == image.content), None),
    )
    assert endpoints.inbox is not None
    try:
        name = await asyncio.to_thread(endpoints.inbox.add, image.content, correction)
    except InboxFullError as error:
        raise ProblemError(503, "The inbox is full: it takes no more before it has been reviewed.") from error
    except (PixmillError, OSError) as error:
        _LOG.error("%s", error.message if isinstance(error, PixmillError) else error)
        raise _busy("The inbox cannot be written just now.", 10) from error
    return JSONResponse({"id": name}, 201)


def _open_inbox(settings: Settings) -> Inbox | None:
    """Return the inbox; a bucket that does not answer just now keeps no prediction from being served.

    Raises:
        PixmillError: It can take no corrections.
    """
    if settings.inbox is None:
        return None
    inbox = Inbox(settings.inbox, settings.inbox_bytes)
    try:
        inbox.check()
    except StorageUnavailableError as error:
        _LOG.warning("corrections are refused until the inbox answers: %s", error.message)
    return inbox


def _model_facts(loaded: LoadedModel) -> dict[str, Any]:
    return {"name": loaded.model.name, "version": loaded.model.version, "digest": loaded.model.digest}


def _row(answer: Answer, labels: Sequence[str], name: str | None) -> dict[str, Any]:
    told = answer.prediction
    given = told.probabilities
    return {
        "id": answer.id,
        "name": name,
        "label": told.label,
        "confidence": told.confidence,
        "sure": told.sure,
        "unlike": told.unlike,
        "probabilities": None if given is None else dict(zip(labels, given.tolist(), strict=True)),
        "reason": told.reason,
        "message": None if told.reason is None else f"{meaning(told.reason)}.",
    }


def _busy(detail: str, seconds: int) -> ProblemError:
    return ProblemError(503, detail, {"Retry-After": str(seconds)})
