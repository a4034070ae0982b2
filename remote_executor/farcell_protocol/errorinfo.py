"""An error as it travels, and the root of the tree that `errors` draws."""

from typing import Any, ClassVar

import msgspec


class ErrorInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error on the wire and in the store."""

    code: str
    message: str
    fields: dict[str, Any] = {}


class FarcellError(Exception):
    """The root: a message for people, a `code` for programs, and `fields` with the numbers."""

    code: ClassVar[str] = "farcell"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are rebuilt from `args`, which would lose the fields.
        return (_rebuild, (type(self), self.message, self.fields))

    def info(self) -> ErrorInfo:
        """This error as it travels."""
        return ErrorInfo(self.code, self.message, self.fields)


def _rebuild(kind: type[FarcellError], message: str, fields: dict[str, Any]) -> FarcellError:
    return kind(message, **fields)
