#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# userland COMMAND ARGS...: run a program of the userland root (nginx, curl, python3 ...).
# The root is mounted read-only at /mnt/userland; this puts a tmpfs over it, once, and enters it.
R=/run/userland
if [ ! -e $R/ready ]; then
	mkdir -p $R
	(
		flock 9
		[ -e $R/ready ] && exit 0
		set -e
		mkdir -p $R/rw $R/root
		mount -t tmpfs -o mode=755 rw $R/rw
		mkdir $R/rw/upper $R/rw/work
		modprobe overlay 2>/dev/null || true
		mount -t overlay -o lowerdir=/mnt/userland,upperdir=$R/rw/upper,workdir=$R/rw/work overlay $R/root
		for d in proc sys dev tmp run mnt/build mnt/src; do
			mkdir -p $R/root/$d
			mount --rbind /$d $R/root/$d
		done
		mkdir -p $R/root/var/log/nginx $R/root/var/lib/nginx $R/root/lib/modules
		cp /etc/hosts $R/root/etc/hosts
		touch $R/ready
	) 9>$R/lock || { echo "userland: cannot set up $R/root" >&2; exit 125; }
fi
[ $# -gt 0 ] || set -- /bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/mnt/build/user
exec chroot $R/root /bin/sh -c 'cd "$0" 2>/dev/null || cd /; exec "$@"' "$PWD" "$@"
