"""How an agent meets its keeper: what it says first, and what must come back. Pure."""

import os

import msgspec

from farcell_protocol.errors import FramingError, error_from
from farcell_protocol.framing import unpack
from farcell_protocol.messages.keeping import FromKeeper, Greet, KeeperRefused, Welcome
from farcell_protocol.version import OLDEST, PROTOCOL, agree

_decoder: "msgspec.msgpack.Decoder[FromKeeper]" = msgspec.msgpack.Decoder(FromKeeper)


def greeting() -> Greet:
    """The first message on a connection to a keeper."""
    return Greet(PROTOCOL, OLDEST, os.getpid())


def message_in(body: bytes) -> FromKeeper:
    """A message of the keeper's.

    Raises:
        FramingError: it is none.
    """
    message: FromKeeper = unpack(body, _decoder, who="the keeper")
    return message


def welcome_in(body: bytes) -> Welcome:
    """The keeper's answer to a greeting.

    Raises:
        VersionMismatch: there is no common version.
        FarcellError: the keeper's reason why it will not have us, by class.
        FramingError: it answered with something else.
    """
    answer = message_in(body)
    if isinstance(answer, KeeperRefused):
        raise error_from(answer.error)
    if not isinstance(answer, Welcome):
        raise FramingError(f"the keeper answered a greeting with {type(answer).__name__}")
    agree(answer.protocol, answer.protocol, who="the keeper")
    return answer
