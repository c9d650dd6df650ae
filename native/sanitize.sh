#!/bin/sh
# Builds the extension with AddressSanitizer and UndefinedBehaviorSanitizer into a temporary directory and runs tests/native with it.
#
#     native/sanitize.sh [pytest arguments]
#
# Environment: PYTHON (default python3; must have the test dependencies), CC (default gcc).
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
cc=${CC:-gcc}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir -p "$work/walrus_fast"
cp -r src/walrus_fast/. "$work/walrus_fast/"
rm -f "$work"/walrus_fast/_native*.so
include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
case $($cc --version | head -n 1) in
*clang*) runtime=$($cc -print-file-name="libclang_rt.asan-$(uname -m).so") extra=-shared-libasan ;;
*) runtime=$($cc -print-file-name=libasan.so) extra= ;;
esac

sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer $extra"
$cc -std=c11 -g -O1 -Wall -Wextra -Werror -fvisibility=hidden -fPIC -shared $sanitizers \
    -DPy_LIMITED_API=0x030B0000 -D_GNU_SOURCE=1 \
    -I"$include" native/*.c -o "$work/walrus_fast/_native.abi3.so"

# The interpreter itself is not built with the sanitizer, so its own allocator must not hide ours, and what it leaves
# at exit is no leak. Reports go to a file, because a test's output is lost when its process is aborted.
options=log_path=$work/report
status=0
CC=$cc WALRUS_TEST_CFLAGS=$sanitizers LD_PRELOAD=$runtime UBSAN_OPTIONS=print_stacktrace=1:$options \
    ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:$options \
    PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$work:." \
    "$python" -m pytest tests/native -q -p no:cacheprovider "$@" || status=$?
cat "$work"/report* 2>/dev/null || true
exit $status
