"""The synchronous twin of the Python API, with the same names.

>>> from memoledger.sync import Memoledger
>>> with Memoledger.temporary() as ledger:
...     notes = ledger.principal(tenant="acme", user="alice").store("notes")
...     _ = notes.remember("Meeting with John about the Q4 roadmap")
...     [hit] = notes.recall("roadmap planning")
>>> hit.memory.content
'Meeting with John about the Q4 roadmap'
"""

from __future__ import annotations

from memoledger.surfaces.python.blocking import PrincipalHandle, StoreHandle
from memoledger.surfaces.python.blocking_ledger import Memoledger

__all__ = ["Memoledger", "PrincipalHandle", "StoreHandle"]
