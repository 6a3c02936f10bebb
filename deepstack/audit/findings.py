"""What an audit found: one line a link of the chain, and the first offence of a link that leaks."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Offence:
    """Something that knew more than it could.

    Attributes:
        what: a feature, an input, a fitted state.
        where: symbol and time of the row.
        how: what gave it away, the lag in bars where it is known.
    """

    what: str
    where: str
    how: str

    def __str__(self) -> str:
        return f"{self.what} at {self.where}: {self.how}"


@dataclass(frozen=True)
class Link:
    """One link of the chain.

    Attributes:
        name: of the link.
        covers: what was looked at, in numbers.
        offence: the first that was found; None when the link holds.
        skipped: why it was not looked at; empty when it was.
        seconds: it took.
    """

    name: str
    covers: str
    offence: Offence | None = None
    skipped: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        """`holds`, `LEAKS` or `skipped`."""
        return "LEAKS" if self.offence else "skipped" if self.skipped else "holds"


@dataclass(frozen=True)
class Audit:
    """All links, in the order data flows.

    Attributes:
        subject: what was audited.
        links: one a link.
    """

    subject: str
    links: tuple[Link, ...]

    @property
    def leaks(self) -> tuple[Link, ...]:
        """The links that do not hold."""
        return tuple(link for link in self.links if link.offence)

    def lines(self) -> list[str]:
        """The table for people."""
        return [f"audit of {self.subject}", "", *table(self.links), "", self.summary]

    @property
    def summary(self) -> str:
        """One line."""
        looked = [link for link in self.links if not link.skipped]
        if not self.leaks:
            return f"no look-ahead found in {len(looked)} links"
        return f"look-ahead in {len(self.leaks)} of {len(looked)} links; the first: {self.leaks[0].name}"


def table(links: Sequence[Link]) -> list[str]:
    """Rows of link, verdict, coverage and time, an offence under its link."""
    width = max(len(link.name) for link in links)
    lines = []
    for link in links:
        detail = link.skipped or link.covers
        lines.append(f"{link.name:<{width}}  {link.verdict:<7}  {link.seconds:6.1f} s  {detail}")
        if link.offence:
            lines.append(f"{'':<{width}}  {link.offence}")
    return lines
