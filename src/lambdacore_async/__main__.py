"""Entry point of `python -m lambdacore_async`."""

from __future__ import annotations

from lambdacore_async_command import main

__all__ = ["main"]

if __name__ == "__main__":
    main()
