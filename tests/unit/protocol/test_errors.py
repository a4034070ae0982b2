"""Every error survives the trip between processes."""

import pickle
import re

import msgspec
import pytest

from farcell_protocol import errors
from farcell_protocol.errors import BY_CODE, ErrorInfo, FarcellError, error_from


@pytest.mark.parametrize("kind", BY_CODE.values(), ids=BY_CODE)
def test_an_error_comes_back_as_its_own_class_with_its_fields(kind: type[FarcellError]):
    error = kind("needs 40 GiB; the largest has 24 GiB", needed_bytes=40, path="a['b']", none=None)
    for back in (
        pickle.loads(pickle.dumps(error)),
        error_from(msgspec.json.decode(msgspec.json.encode(error.info()), type=ErrorInfo)),
        error_from(msgspec.msgpack.decode(msgspec.msgpack.encode(error.info()), type=ErrorInfo)),
    ):
        assert type(back) is kind
        assert (str(back), back.message, back.fields, back.code) == (
            str(error),
            error.message,
            error.fields,
            error.code,
        )


def test_every_class_has_a_code_of_its_own_and_stands_in_the_drawn_tree():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FarcellError)]
    assert len({kind.code for kind in kinds}) == len(kinds) == len(BY_CODE)
    drawn = dict(re.findall(r"^ [| +-]*(\w+) +([a-z-]+)(?: |$)", errors.__doc__ or "", re.MULTILINE))
    assert drawn == {kind.__name__: kind.code for kind in kinds if kind is not FarcellError}


def test_a_code_of_a_newer_peer_is_kept():
    error = error_from(ErrorInfo("from-the-future", "something new", {"a": 1}))
    assert type(error) is FarcellError
    assert error.info() == ErrorInfo("from-the-future", "something new", {"a": 1})
