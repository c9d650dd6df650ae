#!/bin/sh
# The Debian packages that the tests use: RocksDB's ldb, mkfs for file systems with reflinks, systemd for its units.
missing=
command -v ldb >/dev/null 2>&1 || missing="$missing rocksdb-tools"
command -v mkfs.xfs >/dev/null 2>&1 || missing="$missing xfsprogs"
command -v mkfs.btrfs >/dev/null 2>&1 || missing="$missing btrfs-progs"
# A file system without hard links, where the kernel has no vfat.
command -v mkfs.exfat >/dev/null 2>&1 && command -v mount.exfat-fuse >/dev/null 2>&1 || missing="$missing exfatprogs exfat-fuse"
command -v strace >/dev/null 2>&1 || missing="$missing strace"
# The fuzzers of the parsers in C. clang's runtime for them is a package of its own, named by its version.
ls "$(clang -print-resource-dir 2>/dev/null || echo /nowhere)"/lib/*/libclang_rt.fuzzer* >/dev/null 2>&1 || missing="$missing clang llvm"
command -v systemd-analyze >/dev/null 2>&1 || missing="$missing systemd"
# RocksDB's own BackupEngine with the options that ldb does not have, in C++; the benchmarks measure against it.
[ -e /usr/include/rocksdb/db.h ] || missing="$missing librocksdb-dev"
command -v g++ >/dev/null 2>&1 || missing="$missing g++"
# The manual pages.
command -v groff >/dev/null 2>&1 || missing="$missing groff-base"
command -v man >/dev/null 2>&1 || missing="$missing man-db"
# What reads a node's metrics, and what shows its status page.
command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1 || missing="$missing prometheus"
command -v chromium >/dev/null 2>&1 || missing="$missing chromium fonts-dejavu-core"
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed:$missing (the tests that need them will say so and be skipped)"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
case $missing in
*clang*)
    version=$(apt-cache depends clang | sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p')
    if apt-cache show "libclang-rt-$version-dev" >/dev/null 2>&1; then missing="$missing libclang-rt-$version-dev"; fi
    ;;
esac
# Their services are not wanted: the tests start what they need themselves.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get install -y -q --no-install-recommends $missing >/dev/null
