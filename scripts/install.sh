#!/usr/bin/env bash
# Make a virtual environment and install what is locked. Usage: scripts/install.sh main|dev|spark [FOLDER]
#
# $PYTHON names the interpreter to try first. pip brings uv, uv brings the rest; a package mirror set for pip
# (index-url) is handed on to uv, which does not read pip's settings.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=${1:?main, dev or spark}
venv=${2:-.venv}
export UV_PYTHON_DOWNLOADS=never PIP_DISABLE_PIP_VERSION_CHECK=1

new_enough() { "$@" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local name
    for name in "${PYTHON:-python3}" python3 python3.13 python3.12 python3.11 /usr/bin/python3 /usr/bin/python3.11; do
        if new_enough "$name"; then echo "$name"; return 0; fi
    done
    return 1
}

if ! new_enough "$venv/bin/python"; then
    if ! python=$(find_python); then
        {
            echo "安装 dafeng：没有找到 Python 3.11 或更新版本（现有：$(python3 --version 2>/dev/null || echo 无)）。"
            echo "  下一步：安装 Python 3.11 以上，或用 make PYTHON=/路径/python3.11 指明。"
            echo "Setting up dafeng: no Python 3.11 or newer was found."
            echo "  Next: install Python 3.11+, or name one with make PYTHON=/path/to/python3.11."
        } >&2
        exit 1
    fi
    if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        {
            echo "安装 dafeng：$python 缺少 venv 或 ensurepip 模块，不能建立虚拟环境。"
            echo "  下一步：Debian/Ubuntu 上执行 apt-get install python3-venv，然后重试。"
            echo "Setting up dafeng: $python lacks the module venv or ensurepip, so no virtual environment can be made."
            echo "  Next: on Debian or Ubuntu run apt-get install python3-venv and try again."
        } >&2
        exit 1
    fi
    echo "dafeng: $("$python" --version) -> $venv" >&2
    "$python" -m venv --clear "$venv"
fi

"$venv/bin/python" -m pip install --quiet --require-hashes -r requirements/uv.txt
mirror=$("$venv/bin/python" -m pip config get global.index-url 2>/dev/null || true)
mirror=${PIP_INDEX_URL:-$mirror}
if [ -n "$mirror" ] && [ -z "${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX=$mirror; fi
export VIRTUAL_ENV=$PWD/$venv
echo "dafeng: requirements/$wanted.txt" >&2
# Compiled once here, so that commands start fast also where Python may not write bytecode itself.
"$venv/bin/uv" pip install --quiet --compile-bytecode --require-hashes -r "requirements/$wanted.txt"
"$venv/bin/uv" pip install --quiet --no-deps -e .
