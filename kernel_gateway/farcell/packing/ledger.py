"""What both sides of one session held when they last exchanged each name. Pure.

The conflict rule: a name whose value here is still the one of the last exchange is not sent, and what is there
stands; any other value here wins and travels.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Held:
    """One name at its last exchange: the digest of its pickle as made here and as made there.

    Equal values can pickle to different bytes on two sides (the order of a set, shared strings), so each
    side's bytes are only ever compared with that side's own."""

    here: str
    there: str


@dataclass
class Ledger:
    """The exchanged names of one session."""

    held: dict[str, Held] = field(default_factory=dict)

    def holds(self, name: str) -> bool:
        """Whether the session has, or had, a value of ours under this name."""
        return name in self.held

    def stands(self, name: str, here: str) -> bool:
        """Whether the value here, whose digest is `here`, is the one of the last exchange."""
        held = self.held.get(name)
        return held is not None and held.here == here != ""

    def there(self, name: str) -> str:
        """The digest by which the other side knows what was exchanged."""
        return self.held[name].there

    def exchange(self, name: str, here: str, there: str) -> None:
        """Both sides hold the same value now. Without a digest for this side it is sent again next time."""
        self.held[name] = Held(here, there)

    def forget(self, name: str) -> None:
        """The name means different things on the two sides, or nothing any more."""
        self.held.pop(name, None)

    def known(self, here: dict[str, str]) -> dict[str, str]:
        """For each name with its digest here, what the other side will compare with: what was
        exchanged if it stands, else what is about to be sent."""
        return {name: self.there(name) if self.stands(name, digest) else digest for name, digest in here.items()}
