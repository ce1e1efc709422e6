#!/bin/sh
# Installs the PgBouncers that tests/integration/pgbouncer runs against. Debian only, as root.
#
# `pgbouncer` is the distribution's own. Debian 12 has 1.18, which knows nothing of prepared
# statements; they came with 1.21. So where it is older than that, Debian 13's package is put beside
# it as `pgbouncer-prepared`, with the libraries it was built for, and nothing else of the system
# changes.
set -eu

NEWER_RELEASE=trixie
PLACE=/usr/local/lib/pgbouncer-prepared
COMMAND=/usr/local/bin/pgbouncer-prepared
LIBRARIES="libc6 libcares2 libevent-2.1-7t64 libpam0g libssl3t64 libsystemd0 libcap2 libaudit1 \
    libcap-ng0 libzstd1 zlib1g"

at_least_1_21() {
    version=$("$1" --version | sed -n 's/^PgBouncer \([0-9.]*\).*/\1/p')
    dpkg --compare-versions "${version:-0}" ge 1.21
}

if ! command -v pgbouncer >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends pgbouncer >/dev/null
fi
if [ -x "$COMMAND" ] && at_least_1_21 "$COMMAND"; then
    exit 0
fi
if at_least_1_21 pgbouncer; then
    ln -sf "$(command -v pgbouncer)" "$COMMAND"
    exit 0
fi

# apt is asked through files of its own, so that the machine's sources and lists stay as they are.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/debs"
archive=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 !~ /-/ && $3 !~ /security/ { print $3; exit }')
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] $archive $NEWER_RELEASE main" >"$work/sources.list"
newer() {
    apt-get -qq -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$work/lists" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}
newer update
cd "$work/debs"
# shellcheck disable=SC2086 # one word each
newer download $(printf "%s/$NEWER_RELEASE " pgbouncer $LIBRARIES)
rm -rf "$PLACE"
mkdir -p "$PLACE"
for package in ./*.deb; do
    dpkg-deb -x "$package" "$PLACE"
done
libraries=$(dirname "$(find "$PLACE" -name libevent-2.1.so.7 | head -n 1)")
loader=$(find "$libraries" -name 'ld-linux-*.so.*' | head -n 1)
cat >"$COMMAND" <<WRAPPER
#!/bin/sh
exec "$loader" --library-path "$libraries" "$PLACE/usr/sbin/pgbouncer" "\$@"
WRAPPER
chmod 755 "$COMMAND"
at_least_1_21 "$COMMAND"
