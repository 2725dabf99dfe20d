"""`python -m octavo` is `octavo`: an interrupt, or too little memory, while it loads is told in a line."""

from __future__ import annotations

import sys


def main() -> None:
    """Load the command line, run it and exit."""
    try:
        from octavo.cli import main as run
    except KeyboardInterrupt:
        print("Interrupted; nothing was done yet.", file=sys.stderr)
        sys.exit(130)
    except (ImportError, MemoryError) as error:
        if isinstance(error, ImportError) and "failed to map segment" not in str(error):
            raise
        print(f"There is not enough memory to load Octavo: {error}.", file=sys.stderr)
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
