"""`python -m memoledger` is `memoledger`."""

from __future__ import annotations

from memoledger.surfaces.cli.main import main

main()
