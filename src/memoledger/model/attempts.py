"""Failed attempts by address: so many in a minute, then a pause.

Each failure fills a measure that empties steadily; while it is full, the next has to wait. The
addresses of one IPv6 network of 64 bits count as one: whoever has one of them has all.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

PERIOD_S: Final = 60.0
CLIENTS_MAX: Final = 10_000
"""Addresses remembered; the one that failed longest ago makes room. About 2 MB."""

_ADDRESS_CHARS_MAX: Final = 64


@dataclass(slots=True)
class _Measure:
    level: float
    at_s: float


class Attempts:
    """Counts failures by client address, in bounded memory.

    Args:
        most: failures of one address in a minute, 1 or more; 0 for no limit.
        clients_max: addresses remembered.
    """

    def __init__(self, most: int, *, clients_max: int = CLIENTS_MAX) -> None:
        self._most = most
        self._clients_max = clients_max
        self._measures: OrderedDict[str, _Measure] = OrderedDict()

    def __len__(self) -> int:
        return len(self._measures)

    def wait_s(self, client: str, now_s: float) -> int:
        """Whole seconds until the client's next attempt is looked at; 0 for at once."""
        measure = self._measures.get(network_of(client))
        if measure is None or self._most == 0:
            return 0
        over = self._emptied(measure, now_s) + 1 - self._most
        # A measure that is full to a rounding error is full.
        return max(0, math.ceil(over * PERIOD_S / self._most - 1e-6))

    def failed(self, client: str, now_s: float) -> None:
        """Count a failure."""
        network = network_of(client)
        measure = self._measures.pop(network, None) or _Measure(0.0, now_s)
        # No fuller than full: the wait is for one attempt, however many came at once.
        level = min(self._emptied(measure, now_s) + 1, float(self._most))
        self._measures[network] = _Measure(level, now_s)
        while len(self._measures) > self._clients_max:
            self._measures.popitem(last=False)

    def _emptied(self, measure: _Measure, now_s: float) -> float:
        return max(0.0, measure.level - max(0.0, now_s - measure.at_s) * self._most / PERIOD_S)


def network_of(client: str) -> str:
    """The network that an address counts for; what is no address counts for itself."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client[:_ADDRESS_CHARS_MAX]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)
