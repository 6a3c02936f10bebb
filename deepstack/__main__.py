"""`python -m deepstack`: the same as the console script."""

from deepstack.cli.app import main

if __name__ == "__main__":
    main()
