"""The page that shows the document and tries routes out, from files on this machine.

FastAPI's own page loads its scripts from elsewhere: without a network it stays empty, and with one a stranger's script
would run where signals can be executed.
"""

from importlib.resources import files

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

DOCS = "/docs"
FILES = f"{DOCS}/files"


def add_page(app: FastAPI) -> None:
    """Serve the page at ``/docs``, to which the root leads, and what it consists of beside it."""
    app.mount(FILES, StaticFiles(directory=str(files("fastapi_offline") / "static")))
    page = get_swagger_ui_html(
        openapi_url=str(app.openapi_url),
        title=app.title,
        swagger_js_url=f"{FILES}/swagger-ui-bundle.js",
        swagger_css_url=f"{FILES}/swagger-ui.css",
        swagger_favicon_url=f"{FILES}/favicon.png",
    )

    @app.get("/", include_in_schema=False)
    async def beginning() -> RedirectResponse:
        return RedirectResponse(DOCS)

    @app.get(DOCS, include_in_schema=False)
    async def documentation() -> HTMLResponse:
        return page
