#!/bin/sh
# The Debian packages that the tests use: RocksDB's ldb, and mkfs for file systems with reflinks.
missing=
command -v ldb >/dev/null 2>&1 || missing="$missing rocksdb-tools"
command -v mkfs.xfs >/dev/null 2>&1 || missing="$missing xfsprogs"
command -v mkfs.btrfs >/dev/null 2>&1 || missing="$missing btrfs-progs"
# A file system without hard links, where the kernel has no vfat.
command -v mkfs.exfat >/dev/null 2>&1 && command -v mount.exfat-fuse >/dev/null 2>&1 || missing="$missing exfatprogs exfat-fuse"
command -v strace >/dev/null 2>&1 || missing="$missing strace"
if [ "${1:-}" = bench ]; then # RocksDB's own engine, in C++
    [ -e /usr/include/rocksdb/db.h ] || missing="$missing librocksdb-dev"
    command -v g++ >/dev/null 2>&1 || missing="$missing g++"
fi
[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed:$missing (the tests that need them will say so and be skipped)"
    exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends $missing >/dev/null
