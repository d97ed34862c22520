"""``python -m hopsight`` is the command line."""

from hopsight.cli.main import main

if __name__ == "__main__":
    main()
