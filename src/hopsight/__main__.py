"""``python -m hopsight`` is the command line."""

from hopsight.cli import main

if __name__ == "__main__":
    main()
