"""The one error a user meets: where it happened, what was expected, what came, and what to do."""


class DeepstackError(Exception):
    """A problem the user can mend; the CLI prints it as one line and exits 2.

    Args:
        where: the file, row, config key or object concerned.
        expected: what would have been right.
        received: what came instead.
        remedy: what to do about it, as an imperative.
    """

    def __init__(self, where: str, *, expected: str, received: str, remedy: str) -> None:
        self.where, self.expected, self.received, self.remedy = where, expected, received, remedy
        super().__init__(f"{where}: expected {expected}, received {received} — try {remedy}")


class ConfigError(DeepstackError):
    """A config file, key or value that cannot be used."""


class DataError(DeepstackError):
    """Candles, features or labels that cannot be used."""


class TooFewError(DataError):
    """Candles in order but too few to say anything yet; more of the same would do."""


class ArtifactError(DeepstackError):
    """An artifact that is missing, incomplete or altered."""
