"""`deepstack models`."""


def models() -> None:
    """List the models a config can name.

    \b
    Examples:
      deepstack models
    """
    from deepstack.models.catalogue import MODELS

    for name in sorted(MODELS):
        print(name)
