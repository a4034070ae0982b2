"""One run's frames between two parties that lose each other: numbers, acknowledgement, resume.

Pure: the sender's and the receiver's view as two small objects; where frames are kept and how they
travel is the business of whoever holds them.
"""

from dataclasses import dataclass, field

from farcell_protocol.errors import StreamGap


@dataclass
class Receiver:
    """What one side has of a stream: everything up to `last`, and whether the end was among it."""

    last: int = 0
    ended: bool = False

    def accept(self, first: int, count: int, *, end: bool = False) -> int:
        """Take note of `count` frames numbered from `first`; `end` says the last of them is the `End`.

        Returns how many of them to skip because they were seen before (a replay after a reconnect).

        Raises:
            StreamGap: frames between `last` and `first` are missing; ask again from `last`.
        """
        if first > self.last + 1:
            raise StreamGap(f"frames {self.last + 1} to {first - 1} are missing", after=self.last, received=first)
        seen = min(count, self.last + 1 - first)
        self.last = max(self.last, first + count - 1)
        self.ended = self.ended or end
        return seen


@dataclass
class Sender:
    """What one side has made of a stream, and how much of it the other side holds safely.

    `last` frames exist; those up to `acknowledged` need not be kept. `sent` is how far this
    connection got; a new connection starts at what the other side says it has.
    """

    last: int = 0
    acknowledged: int = 0
    sent: int = 0
    ended: bool = field(default=False)

    def number(self, *, end: bool = False) -> int:
        """The number of the next frame.

        Raises:
            StreamGap: the stream has ended; nothing may follow an `End`.
        """
        if self.ended:
            raise StreamGap(f"a frame after the end, which was number {self.last}", after=self.last)
        self.last += 1
        self.ended = end
        return self.last

    def resume(self, after: int) -> None:
        """A connection begins whose other side has everything up to `after`.

        Raises:
            StreamGap: frames it needs were already dropped, or it claims frames that never were.
        """
        if not self.acknowledged <= after <= self.last:
            raise StreamGap(
                f"asked for frames after {after}, but {self.acknowledged + 1} to {self.last} are what is kept",
                after=after,
            )
        self.sent = after

    def acknowledge(self, upto: int) -> None:
        """The other side holds everything up to `upto`; late and repeated acknowledgements do no harm."""
        self.acknowledged = max(self.acknowledged, min(upto, self.last))

    @property
    def done(self) -> bool:
        """Whether the stream has ended and all of it is held by the other side."""
        return self.ended and self.acknowledged == self.last
