#!/bin/sh
# Make an empty virtual environment, in place of the one that may be there.
#
# Usage: make_venv.sh FOLDER [PYTHON]
set -eu

folder=$1
python=$(sh tools/find_python.sh "${2:-}")

# Debian and its relatives leave the means to make an environment out of their `python3`.
if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    "$python" -m venv --clear "$folder"
elif command -v uv >/dev/null 2>&1; then
    uv venv --quiet --clear --seed --python "$python" "$folder"
else
    echo "$python cannot make virtual environments (its module ensurepip is missing)." >&2
    echo "On Debian or Ubuntu: apt install python3-venv. Or install uv." >&2
    exit 1
fi
echo "$folder: Python $("$folder/bin/python" -c 'import platform; print(platform.python_version())')"
