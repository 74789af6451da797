"""Routes of the API: predictions, heatmaps, the model, examples and feedback.

And those outside of ``/v1``: the model as one file, and those of MLflow's client.
"""

import asyncio
import hashlib
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request, Response, Security
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from pydantic import Field, TypeAdapter

from pixmill import __version__
from pixmill.core.cells import show_labels
from pixmill.core.errors import PixmillError
from pixmill.dataset.inbox import Inbox, InboxFullError
from pixmill.fetch import Refused
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.local.problems import ProblemError
from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer
from pixmill.models.prediction_reasons import meaning
from pixmill.serve.export.html.runtime import missing_runtime
from pixmill.serve.http import schemas
from pixmill.serve.http.admission import check_key
from pixmill.serve.http.bodies import RequestImage, query_names, read_form, read_images, read_json
from pixmill.serve.http.examples import load_examples, nearest_finder
from pixmill.serve.http.metrics import Metrics
from pixmill.serve.http.models import LoadedModel, Models, answer_row
from pixmill.serve.http.quota import Quota
from pixmill.serve.http.url_fetcher import UrlFetcher
from pixmill.serve.http.worker import UNEXPLAINED
from pixmill.serve.predict.shifting import shift_answer

_LOG = logging.getLogger("pixmill.serve")

_INBOX_SHARE = 0.25
"""Part of the inbox that each client of another machine may fill in a day."""

_CELLS = TypeAdapter(
    Annotated[dict[Annotated[str, Field(min_length=1)], bool], Field(min_length=1)]
)
"""A correction of several labels."""

_INBOX_USED = "This client has sent too many corrections today."


@dataclass(frozen=True)
class Endpoints:
    """The service behind the routes.

    Args:
        models: The model that answers.
        metrics: Counters to update.
        root: Project folder, whose test images are examples; ``None``: no examples.
        inbox: Destination of feedback; ``None``: feedback is refused.
        urls: Fetcher of images; ``None``: URLs are refused.
        keys: API keys; empty: no key is needed.
        is_local: Whether only this machine can use the service, which may then show training
            images.
        is_shared: Whether all but the page needs a key.
        feedback_quota: Part of the inbox that each client may fill.
    """

    models: Models
    metrics: Metrics
    root: Path | None
    inbox: Inbox | None
    urls: UrlFetcher | None
    keys: Collection[str]
    is_local: bool
    is_shared: bool = False
    feedback_quota: Quota = field(default_factory=lambda: Quota(_INBOX_SHARE, 86_400, _INBOX_USED))

    @property
    def loaded(self) -> LoadedModel:
        """The model that answers.

        Raises:
            ProblemError: There is none, since the service starts or ends.
        """
        if self.models.current is None:
            raise _busy("The server is starting or closing.", 5)
        return self.models.current

    async def predict(
        self, contents: Sequence[bytes | Refused], *, logs: bool = True
    ) -> tuple[LoadedModel, list[Answer]]:
        """Return the predictions of images, or why they were not fetched, and the model.

        Args:
            contents: The images.
            logs: Whether they are logged, if the service does so.

        Raises:
            ProblemError: There is no model, or no worker could be started.
            ServiceFullError: Too many images wait.
        """
        loaded = self.loaded
        images = [content for content in contents if isinstance(content, bytes)]
        try:
            submitted = loaded.predict(images) if images else ()
            outcomes = iter(await asyncio.gather(*map(asyncio.wrap_future, submitted)))
        except PixmillError as error:
            _LOG.error("%s", error.message)
            raise _busy("No worker process could be started.", 10) from error
        answers = []
        for content in contents:
            if isinstance(content, Refused):
                answer = Answer(None, Prediction(reason=content.reason))
            else:
                answer = next(outcomes)
                if not isinstance(answer, Answer):  # Its worker died or exceeded a limit.
                    answer = Answer(hashlib.sha256(content).hexdigest(), Prediction(reason=answer))
                self.metrics.count_prediction(answer.prediction)
            answers.append(answer)
            if logs:
                image = b"" if isinstance(content, Refused) else content
                self.models.write(loaded.model, image, answer)
        return loaded, answers

    async def explain(self, content: bytes, label: str | None) -> bytes:
        """Return a heatmap of where the model looked, as a PNG.

        Raises:
            ProblemError: There is no heatmap or no such class, or the image is unreadable.
            ServiceFullError: Too many images wait.
        """
        loaded = self.loaded
        self.check_label(label)
        found: Any = UNEXPLAINED
        if loaded.explains:
            # What is no image is refused before Keras runs, which takes seconds to start.
            answer = await asyncio.wrap_future(loaded.predict([content])[0])
            reason = answer.prediction.reason if isinstance(answer, Answer) else answer
            found = reason or await asyncio.wrap_future(loaded.explain(content, label))
        if isinstance(found, bytes):
            return found
        if found == UNEXPLAINED:
            raise ProblemError(404, "This model cannot show where it looked.")
        raise ProblemError(422, f"{meaning(found)}.")

    async def nearest(self, content: bytes) -> list[dict[str, Any]]:
        """Return the training images most similar to an image.

        None for other machines or without an evaluation.

        Raises:
            ProblemError: There is no model.
            ServiceFullError: Too many images wait.
        """
        loaded = self.loaded
        if not self.root or not self.is_local:
            return []
        find = await asyncio.to_thread(nearest_finder, self.root, loaded.path, loaded.model)
        if find is None:
            return []
        vector = await asyncio.wrap_future(loaded.vector(content))
        if not isinstance(vector, bytes):  # No image, or its worker died.
            return []
        return await asyncio.to_thread(find, vector)

    def check_label(self, label: str | None) -> None:
        """Raise :class:`ProblemError` if a label is not one of the classes."""
        if label and label not in self.loaded.model.labels:
            raise ProblemError(422, f"There is no class '{label}'.")

    def read_correction(self, texts: Sequence[str]) -> dict[str, Any]:
        """Return the right ``label``, or ``labels`` with yes or no for some of them.

        Raises:
            ProblemError: There is not one text, or it is not as the model's answers.
        """
        is_one = self.loaded.model.head.is_exclusive
        try:
            (text,) = texts
            cells = {} if is_one else _CELLS.validate_json(text, strict=True)
        except ValueError as error:
            expected = (
                "'label', with a class or nothing"
                if is_one
                else """'labels', such as {"dark": true, "long": false}"""
            )
            raise ProblemError(422, f"Send one part named {expected}.") from error
        for label in cells or [text]:
            self.check_label(label)
        return {"label": None, "labels": cells} if cells else {"label": text or None}

    async def fetch(
        self, request: Request, images: Sequence[RequestImage]
    ) -> list[bytes | Refused]:
        """Return the bytes of each image; URLs are fetched.

        Raises:
            ProblemError: URLs are refused, the client requested too many, or too much is in memory.
        """
        urls = [image.name or "" for image in images if image.content is None]
        found: list[bytes | Refused] = []
        if urls:
            if self.urls is None:
                raise ProblemError(403, "This server fetches no URLs: send the image itself.")
            found = await self.urls.fetch(_client(request), urls, request.scope["hold"])
        fetched = iter(found)
        return [next(fetched) if image.content is None else image.content for image in images]


def _client(request: Request) -> str:
    return request.client.host if request.client else ""


async def _endpoints(request: Request) -> Endpoints:
    endpoints: Endpoints = request.app.state.endpoints
    return endpoints


InjectedEndpoints = Annotated[Endpoints, Depends(_endpoints)]
"""The :class:`Endpoints` of the application, as an argument of a route."""

_SCHEME = HTTPBearer(auto_error=False, description="API key, if the server needs one.")


async def _require_key(
    request: Request, endpoints: InjectedEndpoints, _: Annotated[Any, Security(_SCHEME)]
) -> None:
    check_key(request.headers.get("authorization", ""), endpoints.keys)


async def _check_query(request: Request) -> None:
    """Raise :class:`ProblemError` if the query has a name that the route does not take."""
    for name in {*request.query_params} - query_names(request):
        raise ProblemError(422, f"{request.url.path} takes no '{name}' in its query.")


_CHECKS = [Depends(_require_key), Depends(_check_query)]
_KEYED: dict[str, Any] = {"dependencies": _CHECKS, "responses": schemas.PROBLEMS}
router = APIRouter(prefix="/v1", **_KEYED)
root_router = APIRouter()


@router.post(
    "/predict", response_model=schemas.Predictions, openapi_extra=schemas.image_body(several=True)
)
async def predict(
    request: Request,
    endpoints: InjectedEndpoints,
    classes: Annotated[list[str] | None, Query(description="The classes that occur.")] = None,
    prior: Annotated[
        str | None, Query(description='Share of each class, such as `{"coat": 0.7, "dress": 0.3}`.')
    ] = None,
) -> Response:
    """Predict images: one or several files, raw bytes, or JSON with base64 or URLs."""
    images = await read_images(request)
    await asyncio.to_thread(endpoints.loaded.shifted, classes, prior)  # refuses before the work
    found = await endpoints.fetch(request, images)
    loaded, answers = await endpoints.predict(found)
    model = await asyncio.to_thread(loaded.shifted, classes, prior)
    rows = [
        answer_row(shift_answer(answer, model), model.labels, image.name)
        for image, answer in zip(images, answers, strict=True)
    ]
    return JSONResponse({"model": loaded.model.identity, "predictions": rows})


@router.post(
    "/fetch",
    response_class=Response,
    responses=schemas.binary_answer("application/octet-stream", "The image's bytes."),
    openapi_extra=schemas.json_body(schemas.Address),
)
async def fetch(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Return the image at a URL. The page uses it, since it may not reach other hosts."""
    address = await read_json(request, schemas.Address, max_bytes=64 << 10)
    (content,) = await endpoints.fetch(request, [RequestImage(None, address.url)])
    reason = content.reason if isinstance(content, Refused) else sniff(content)
    if isinstance(content, Refused) or reason not in EXTENSIONS:
        raise ProblemError(422, f"{meaning(reason)}.")
    return Response(
        content,
        media_type="application/octet-stream",
        headers={"Content-Disposition": "attachment"},
    )


@router.post(
    "/explain",
    response_class=Response,
    responses=schemas.binary_answer(
        "image/png", "The image in grey, with the evidence for the class in colour."
    ),
    openapi_extra=schemas.image_body(),
)
async def explain(
    request: Request, endpoints: InjectedEndpoints, label: str | None = None
) -> Response:
    """Return a heatmap of where the model looked for a class; default: the predicted one."""
    (image, *_), _ = await read_form(request)
    assert image.content is not None
    return Response(await endpoints.explain(image.content, label), media_type="image/png")


@router.post("/nearest", response_model=schemas.Nearest, openapi_extra=schemas.image_body())
async def nearest(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Return the training images most similar to an image."""
    # A proxy or tunnel passes on the requests of other machines.
    if {"forwarded", "x-forwarded-for"} & {*request.headers}:
        return JSONResponse({"nearest": []})
    (image, *_), _ = await read_form(request)
    assert image.content is not None
    return JSONResponse({"nearest": await endpoints.nearest(image.content)})


@router.get("/model", response_model=schemas.ModelInfo)
async def model(endpoints: InjectedEndpoints) -> Response:
    """Return facts about the model, and the features of this server."""
    loaded = endpoints.loaded
    return JSONResponse(
        {
            **loaded.model.facts,
            "explains": loaded.explains,
            "feedback": endpoints.inbox is not None,
            "urls": endpoints.urls is not None,
            "file": missing_runtime() is None,
            "limits": {"max_bytes": schemas.MAX_BYTES, "max_images": schemas.MAX_IMAGES},
        }
    )


@router.get("/examples", response_model=schemas.Examples)
async def examples(endpoints: InjectedEndpoints) -> Response:
    """List test images of each class."""
    found = (await load_examples(endpoints.root, endpoints.loaded.model)).values()
    return JSONResponse(
        {
            "examples": [
                {"id": one.id, "label": show_labels(one.labels), "url": f"/v1/examples/{one.id}"}
                for one in found
            ]
        }
    )


@router.get(
    "/examples/{id}",
    response_class=Response,
    responses=schemas.binary_answer("image/jpeg", "The image."),
)
async def example(id: str, endpoints: InjectedEndpoints) -> Response:  # noqa: A002
    """Return a test image."""
    found = (await load_examples(endpoints.root, endpoints.loaded.model)).get(id)
    if found is None:
        raise ProblemError(404, "There is no such example.")
    return Response(
        found.jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"}
    )


@router.post(
    "/feedback",
    status_code=201,
    response_model=schemas.Filed,
    openapi_extra=schemas.image_body(
        label="The class; empty: none of them. Of several labels, `labels` instead: a JSON object "
        "with true or false for each that you know."
    ),
)
async def feedback(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Save an image with its right class; it is on disk before the response is sent."""
    if endpoints.inbox is None:
        raise ProblemError(404, "This server takes no feedback.")
    (image, *_), texts = await read_form(request)
    correction = endpoints.read_correction(texts)
    assert image.content is not None
    loaded, (answer,) = await endpoints.predict([image.content], logs=False)
    row = answer_row(answer, loaded.model.labels)
    if answer.prediction.reason is not None:
        raise ProblemError(422, row["message"])
    kept = {"label", "confidence", "sure", "unlike", "probabilities", "labels"}
    found = (await load_examples(endpoints.root, loaded.model)).values()
    charge = partial(endpoints.feedback_quota.charge, _client(request))
    try:
        name = await asyncio.to_thread(
            endpoints.inbox.add,
            image.content,
            extension=EXTENSIONS[sniff(image.content)],
            prediction={key: row[key] for key in row if key in kept},
            **correction,
            model=loaded.model.identity,
            original=next((each.id for each in found if each.jpeg == image.content), None),
            charge=None if endpoints.is_local else charge,
        )
    except InboxFullError as error:
        raise ProblemError(503, "The inbox is full until it is reviewed.") from error
    except (PixmillError, OSError) as error:
        _LOG.error("%s", str(error).partition("\n")[0])
        raise _busy("The inbox cannot be written at the moment.", 10) from error
    return JSONResponse({"id": name}, 201)


@root_router.get("/model.html", response_class=HTMLResponse, **_KEYED)
async def page(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Return the model as one HTML file, which predicts images offline."""
    loaded = endpoints.loaded
    try:
        path = await loaded.page()
    except PixmillError as error:
        # The command has a path of this machine.
        detail = str(error) if endpoints.is_local else error.message
        raise ProblemError(404, detail) from error
    except OSError as error:
        _LOG.error("%s", error)
        raise _busy("The file cannot be written at the moment.", 10) from error
    found = await StaticFiles(directory=path.parent).get_response(path.name, request.scope)
    name = quote(f"{loaded.model.name}.html", safe="")
    found.headers["Content-Disposition"] = f"inline; filename*=utf-8''{name}"
    found.headers["Cache-Control"] = "no-cache"
    # Its own policy, which is in the file, allows no requests.
    found.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
    return found


@root_router.post(
    "/invocations",
    response_model=schemas.Scores,
    openapi_extra=schemas.json_body(schemas.Invocation),
    **_KEYED,
)
async def invocations(request: Request, endpoints: InjectedEndpoints) -> Response:
    """Predict images in base64 as MLflow's own server does."""
    body = await read_json(request, schemas.Invocation)
    images = body.inputs
    if body.dataframe_split is not None:
        images = [image for (image,) in body.dataframe_split.data]
    if images is None:
        raise ProblemError(422, "Expected an object with inputs or dataframe_split.")
    loaded, answers = await endpoints.predict(images)
    return JSONResponse(
        {"predictions": [answer.prediction.as_row(loaded.model.labels) for answer in answers]}
    )


@root_router.get("/ping", response_class=Response)
async def ping(endpoints: InjectedEndpoints) -> Response:
    """Answer with 200 once the model is ready."""
    assert endpoints.loaded
    return Response("\n", media_type="text/plain")


@root_router.get("/version", response_class=Response)
async def version() -> Response:
    """Return the server's version."""
    return Response(__version__, media_type="text/plain")


def _busy(detail: str, seconds: int) -> ProblemError:
    return ProblemError(503, detail, {"Retry-After": str(seconds)})
