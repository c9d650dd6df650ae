#!/bin/sh
# Tries a release as a user gets it: a venv that has only the locked dependencies and the wheel, and the suite out of the
# sdist with its sources removed, so that nothing but the installed wheel can be what is tested.
#   try.sh DIST PYTHON [PYTEST ARGUMENTS...]
set -eu
dist=$(cd "$1" && pwd)
python=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work" # services of other users are tested from there

tar -C "$work" --strip-components=1 -xf "$dist"/walrus_fast-*.tar.gz
"$python" -m venv "$work/.venv"
pip="$work/.venv/bin/pip --quiet --disable-pip-version-check install"
$pip --require-hashes --only-binary :all: -r "$work/requirements.lock"
$pip --no-deps "$dist"/walrus_fast-*.whl
"$work/.venv/bin/walrus-node" --version
[ $# = 0 ] && exit 0
$pip "$(echo "$dist"/walrus_fast-*.whl)[dev]"
rm -r "$work/src"
cd "$work"
# What judges the tree of sources has nothing to judge here.
"$work/.venv/bin/python" -m pytest --ignore=tests/test_house_rules.py "$@"
