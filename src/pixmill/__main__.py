"""Run the command ``pixmill`` as ``python -m pixmill``."""

from pixmill.cli import main

if __name__ == "__main__":
    main()
