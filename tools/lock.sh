#!/bin/sh
# Resolve the dependencies of pyproject.toml and write requirements.lock: names, versions and
# hashes for every supported Python and system, and no address of any package index.
#
# Usage: lock.sh [OPTION]...    Options go to `uv pip compile`, for example --upgrade-package numpy.
#                               Without --upgrade, versions that still fit are kept.
set -eu

if ! uv=$(command -v uv); then
    # Not in the environment itself: nobody but this script needs it.
    .venv/bin/python -m venv build/lock
    build/lock/bin/python -m pip install --quiet uv
    uv=build/lock/bin/uv
fi

# With these extras, because the tests of the remote embedders use the providers' own libraries; not
# with cross-encoder, which brings torch.
"$uv" pip compile pyproject.toml \
    --group dev \
    --extra bedrock --extra cohere --extra openai --extra voyageai \
    --universal \
    --python-version 3.11 \
    --generate-hashes \
    --no-emit-package memoledger-minilm \
    --custom-compile-command "make lock" \
    --output-file requirements.lock \
    --quiet "$@"

if grep -nE '://|^--|file:' requirements.lock; then
    echo "requirements.lock names an address or an option of this machine; see the lines above." >&2
    exit 1
fi
echo "requirements.lock: $(grep -c '^[a-z]' requirements.lock) packages"
