"""The page on a server of this machine, which answers for any condition; for one person, on loopback alone."""

import json
import threading
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import SweepError
from pipeline.page.html import render
from pipeline.page.shown import Shown
from pipeline.report.embedded import embedded

if TYPE_CHECKING:
    from fastapi import FastAPI, Request, Response

HOST = "127.0.0.1"
NAMES = [HOST, "localhost"]
"""Names by which the server may be asked: a page of another site could reach loopback by one of its own."""
MOST_BYTES = 100_000
"""The longest request that is read."""


class Line(BaseModel):
    """A line through λ = at (P,), along the coordinate of that number."""

    model_config = ConfigDict(extra="forbid", strict=True)

    at: Annotated[list[float], Field(min_length=1)]
    along: Annotated[int, Field(ge=0)]


class Question(BaseModel):
    """What is asked for: one condition (C,), at the λ of the page, or on one line."""

    model_config = ConfigDict(extra="forbid", strict=True)

    condition: list[float]
    line: Line | None = None


def page_app(shown: Shown, name: str) -> "FastAPI":
    """The web application: GET / is the page, POST /answer what it asks for.

    That is one more condition, answered as by `Shown.answer`, or a line through λ, as by `Shown.line`. A question that
    cannot be answered is {"error": text} with status 400. name: the page's title.
    """
    from fastapi import FastAPI
    from fastapi.concurrency import run_in_threadpool
    from fastapi.middleware.trustedhost import TrustedHostMiddleware
    from fastapi.responses import HTMLResponse

    text = render(shown, name)
    one_at_a_time = threading.Lock()

    async def page(request: "Request") -> "Response":
        return HTMLResponse(text)

    async def answer(request: "Request") -> "Response":
        if int(request.headers.get("content-length", MOST_BYTES + 1)) > MOST_BYTES:
            return _refused(f"the request is longer than {MOST_BYTES} bytes")
        return await run_in_threadpool(_answer, shown, await request.body(), one_at_a_time)

    app = FastAPI(openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=NAMES)
    app.add_route("/", page)
    app.add_route("/answer", answer, methods=["POST"])
    return app


def _answer(shown: Shown, body: bytes, lock: threading.Lock) -> "Response":
    from fastapi import Response

    try:
        question = Question.model_validate_json(body)
        with lock:
            line = question.line
            found = (
                shown.answer(question.condition)
                if line is None
                else shown.line(question.condition, line.at, line.along)
            )
    except ValidationError as error:
        return _refused("; ".join(f"{'.'.join(map(str, e['loc'])) or 'request'}: {e['msg']}" for e in error.errors()))
    except SweepError as error:
        return _refused(str(error))
    return Response(str(embedded(found)), media_type="application/json")


def _refused(reason: str) -> "Response":
    from fastapi import Response

    return Response(json.dumps({"error": reason}), status_code=400, media_type="application/json")


def serve_page(shown: Shown, name: str, port: int) -> None:
    """Serve the page on loopback until the process is interrupted."""
    import uvicorn

    uvicorn.run(page_app(shown, name), host=HOST, port=port, log_level="warning")
