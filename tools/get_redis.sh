#!/bin/sh
# Installs the Redis that tests/conformance/cache and tests/integration/cache run against. Debian only,
# as root. The server is not started: each test starts its own, on a port or socket of its own.
set -eu

if command -v redis-server >/dev/null; then
    exit 0
fi
apt-get update -qq
# Without this the package starts a server that nobody asked for, on the customary port.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends redis-server >/dev/null
redis-server --version
