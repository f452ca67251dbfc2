#!/bin/sh
# Runs one container's command as a cluster would: in a root that nobody can write, with its volumes,
# as its user, without capabilities and without a way to get any. Takes root and mounts of its own
# (`unshare --mount`). It becomes the command: signals and the exit code are the command's.
#
#   container.sh ROOT UID GID GROUPS DIRECTORY [SOURCE:TARGET:ro|rw]... -- COMMAND...
set -eu

root=$1 uid=$2 gid=$3 groups=$4 directory=$5
shift 5

mount --make-rprivate /
mount --bind "$root" "$root"
# This machine's programs and libraries stand for what an image brings with it.
for own in /usr /dev /proc; do
    mount --bind "$own" "$root$own"
    mount -o remount,bind,ro "$root$own"
done
while [ "$1" != -- ]; do
    source=${1%%:*}
    target=${1#*:}
    access=${target##*:}
    target=$root${target%:*}
    mount --bind "$source" "$target"
    mount -o "remount,bind,$access" "$target"
    shift
done
shift
mount -o remount,bind,ro "$root"

exec chroot "$root" /usr/bin/setpriv --reuid "$uid" --regid "$gid" --groups "$groups" \
    --inh-caps=-all --bounding-set=-all --no-new-privs -- \
    /usr/bin/env --chdir="$directory" "$@"
