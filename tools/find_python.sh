#!/bin/sh
# Print the command of a Python that Memoledger runs on; say what is missing when there is none.
#
# Usage: find_python.sh [PYTHON]    PYTHON: a command or a path; only that one is tried.
#
# The limits are those of `requires-python` in pyproject.toml; a test compares them.
set -u

FROM_MINOR=11
BELOW_MINOR=15

suitable() {
    "$1" - "$FROM_MINOR" "$BELOW_MINOR" <<'PYTHON' 2>/dev/null
import sys
low, high = map(int, sys.argv[1:])
sys.exit(not (sys.version_info[0] == 3 and low <= sys.version_info[1] < high))
PYTHON
}

# A version manager's stand-in may be on PATH for a version that is not installed: asking is the test.
version_of() {
    "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null || echo "does not run"
}

seen=
for candidate in ${1:+"$1"}; do
    suitable "$candidate" && printf '%s\n' "$candidate" && exit 0
    seen="$seen
    $candidate: $(version_of "$candidate")"
done

if [ -z "${1:-}" ]; then
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        suitable "$candidate" && printf '%s\n' "$candidate" && exit 0
        seen="$seen
    $candidate: $(version_of "$candidate")"
    done
fi

{
    echo "Memoledger needs Python 3.$FROM_MINOR to 3.$((BELOW_MINOR - 1)). Found:${seen:- none on PATH.}"
    echo "Install one of them, or name it: make dev PYTHON=/path/to/python3.$FROM_MINOR"
} >&2
exit 1
