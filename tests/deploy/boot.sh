#!/bin/sh
# Runs as the first process of new namespaces: puts a system together over a read-only view of this machine's own, with
# an upper layer in memory, and becomes its systemd. Nothing of it is left when it ends.
#   boot.sh FOLDER PROJECT PREFIX SITE    FOLDER/walrus becomes /opt/walrus; PROJECT, the interpreter's PREFIX and SITE
#                                         (packages) are shown where a sandboxed service may read them
set -eu
folder=$1 project=$2 prefix=$3 site=$4
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder/layer"
mkdir "$folder/layer/upper" "$folder/layer/work"
root=$folder/root
mount -t overlay -o "lowerdir=/,upperdir=$folder/layer/upper,workdir=$folder/layer/work" overlay "$root"

mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys" # a sysctl.d of the lower layer must not reach this machine's kernel
mount -t sysfs -o ro sysfs "$root/sys"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd" "$root/sys/fs/cgroup/unified"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup/unified"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty; do
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
touch "$root/dev/console"
mount --bind "$folder/console" "$root/dev/console"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"

# The program, where ProtectHome= does not hide it: an interpreter, and what is on its path.
mkdir -p "$root/opt/walrus" "$root/opt/walrus-fast/python" "$root/opt/walrus-fast/project" "$root/opt/walrus-fast/site"
mount --bind "$folder/walrus" "$root/opt/walrus"
mount --bind "$prefix" "$root/opt/walrus-fast/python"
mount --bind "$project" "$root/opt/walrus-fast/project"
mount --bind "$site" "$root/opt/walrus-fast/site"
cp -a "$folder/files/." "$root/"

# None of this machine's own services: the target that is booted asks for the basic system only.
rm -rf "$root"/etc/systemd/system/*.wants "$root/var/log/journal"
cd "$root"
pivot_root . mnt
umount -l /mnt
exec env -i container=walrus-fast-test PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --unit=walrus-fast-test.target --log-target=journal
