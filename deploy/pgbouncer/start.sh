#!/bin/sh
# PgBouncer checks passwords against this file, and uses them on the way on.
set -eu
umask 077
printf '"memory_service" "%s"\n' "${SERVICE_PASSWORD:?}" >/tmp/users.txt
exec pgbouncer /etc/pgbouncer/pgbouncer.ini
