#!/usr/bin/env bash
# Run the tests that need a Spark cluster, in an environment of their own: it holds Spark where the other holds its client alone.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v java >/dev/null && command -v apt-get >/dev/null; then
    root=()
    if [ "$(id -u)" -ne 0 ]; then root=(sudo -n); fi
    { "${root[@]}" apt-get update -qq && "${root[@]}" apt-get install -qq -y --no-install-recommends openjdk-17-jre-headless >/dev/null; } \
        || echo "dafeng: apt-get could not install a Java runtime"
fi
if ! command -v java >/dev/null; then
    echo "dafeng: no Java runtime here: the tests on a Spark cluster are skipped (Debian: apt-get install openjdk-17-jre-headless)"
    exit 0
fi
scripts/install.sh spark .venv-spark
.venv-spark/bin/python -m pytest -q -m cluster --timeout=3600 -rs "$@"
