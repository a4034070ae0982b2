"""The executor and this server answer an error with the same status."""

from farcell_jupyter.routes import base
from farcell_protocol import statuses

OTHERWISE = {"unauthorized", "version-mismatch"}
"""Of the server and the executor, not of the browser: no reason for it to log in or to load another page."""


def test_an_error_keeps_its_status_on_its_way_to_the_browser():
    kept = {code: status for code, status in statuses.STATUS.items() if code not in OTHERWISE}
    kept["executor-unreachable"] = 503
    assert kept == base.STATUS
