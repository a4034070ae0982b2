"""Print the executor's OpenAPI, with what is said on the browser's websocket: TypeScript's types come of it.

No executor runs for this. The version in it is fixed, so that the types change only when the API does.
"""

import json
import sys
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from farcell_executor.api.routes import routes
from farcell_executor.executor import Executor
from farcell_jupyter.messages import FromBrowser, ToBrowser


def document() -> dict[str, Any]:
    """The OpenAPI document, with `FromBrowser` and `ToBrowser` and all they hold among its schemas."""
    # Of the executor, making the routes needs the version only.
    executor = cast(Executor, SimpleNamespace(version="0"))
    made = routes(executor).openapi_schema.to_schema()
    (from_browser, to_browser), spoken = msgspec.json.schema_components(
        (FromBrowser, ToBrowser), ref_template="#/components/schemas/{name}"
    )
    made["components"]["schemas"] |= spoken | {"FromBrowser": from_browser, "ToBrowser": to_browser}
    return cast(dict[str, Any], without_words(made))


def without_words(part: object) -> object:
    """The same without descriptions: a docstring that says it better should make no other types."""
    if isinstance(part, list):
        return [without_words(one) for one in part]
    if not isinstance(part, dict):
        return part
    # A property may well be named "title" or "description"; then it is a schema, not a text.
    return {k: without_words(v) for k, v in part.items() if k not in ("description", "title") or not isinstance(v, str)}


if __name__ == "__main__":
    json.dump(document(), sys.stdout, indent=1, sort_keys=True)
