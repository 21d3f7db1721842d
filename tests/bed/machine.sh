#!/usr/bin/env bash
# machine.sh - boots a real systemd over a copy-on-write view of this system, and runs things in it
#
#   machine.sh usable                     exit 0 if it can be done here: root, systemd-nspawn, overlayfs
#   machine.sh up NAME [SRC:DST]...       boot; SRC of this system is seen as DST inside
#   machine.sh sh NAME 'SCRIPT'           run SCRIPT inside; its streams and exit status pass through
#   machine.sh down NAME                  its processes end at once, and what it wrote is gone
#
# The machine has a network of its own with nothing but lo, and none of this system's services.  MACHINE_ROOT is what it is a
# view of (default /), MACHINE_DIR where it keeps its notes, MACHINE_DISK the MiB of a file system of its own at /disk.
set -eu -o pipefail
notes=${MACHINE_DIR:-${TMPDIR:-/tmp}/cordon-machines}
die() { echo "machine.sh: $*" >&2; exit 125; }

usable() {
	[ "$(id -u)" -eq 0 ] || die "only root can boot a machine"
	command -v systemd-nspawn >/dev/null || die "systemd-nspawn is not here (package systemd-container)"
	[ -x "${MACHINE_ROOT:-/}/lib/systemd/systemd" ] || die "systemd is not here"
	unshare --mount true 2>/dev/null || die "this system lets nobody make a mount namespace"
	grep -qw overlay /proc/filesystems || modprobe overlay 2>/dev/null || die "the kernel has no overlayfs"
}

# In a mount namespace of its own, so that nothing of this shows outside.
boot() {
	local dir=$1 name=$2 root unit bind=() pair
	shift 2
	# A subtree for its groups: nspawn would put them at the top.
	umount -R /sys/fs/cgroup 2>/dev/null || true
	mount -t cgroup2 cgroup2 /sys/fs/cgroup
	mkdir -p "/sys/fs/cgroup/cordon-$name"
	echo $$ >"/sys/fs/cgroup/cordon-$name/cgroup.procs"

	mkdir -p "$dir/layer"
	mount -t tmpfs -o mode=755 layer "$dir/layer"
	mkdir "$dir/layer/upper" "$dir/layer/work" "$dir/layer/tree"
	root=$dir/layer/tree
	mount -t overlay -o "lowerdir=${MACHINE_ROOT:-/},upperdir=$dir/layer/upper,workdir=$dir/layer/work" overlay "$root"
	# policy-rc.d keeps packages from starting their services, where images have one.
	rm -f "$root"/etc/systemd/system/*.wants/* "$root"/etc/rc?.d/S* "$root/usr/sbin/policy-rc.d"
	: >"$root/etc/fstab"
	echo c0d0c0d0c0d0c0d0c0d0c0d0c0d0c0d0 >"$root/etc/machine-id"
	echo "$name" >"$root/etc/hostname"
	for unit in console-getty.service systemd-timesyncd.service systemd-firstboot.service; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
	if [ -n "${MACHINE_DISK:-}" ]; then
		mkdir "$dir/layer/disk"
		truncate -s "${MACHINE_DISK}M" "$dir/layer/disk.img"
		mkfs.ext4 -q -m 0 "$dir/layer/disk.img"
		mount -o loop "$dir/layer/disk.img" "$dir/layer/disk"
		bind+=("--bind=$dir/layer/disk:/disk")
	fi
	for pair; do bind+=("--bind=$pair"); done
	# Without the bpf filter IPAddressDeny= and DevicePolicy= are silently not enforced.
	exec systemd-nspawn --quiet --directory="$root" --machine="cordon-$name" --hostname="$name" --boot --register=no \
		--keep-unit --link-journal=no --console=pipe --private-network --system-call-filter=bpf --resolv-conf=off \
		--timezone=off "${bind[@]}" systemd.show_status=0
}

up() {
	local name=$1 dir=$notes/$1 outer leader=''
	shift
	[ ! -e "$dir/leader" ] || die "$name is up"
	mkdir -p "$dir"
	unshare --mount --propagation private bash "$(readlink -f "$0")" boot "$dir" "$name" "$@" \
		</dev/null >"$dir/console" 2>&1 &
	outer=$!
	for _ in $(seq 1200); do
		kill -0 $outer 2>/dev/null || { cat "$dir/console" >&2; die "$name did not boot"; }
		leader=$(pgrep -P $outer -x systemd || true)
		[ -z "$leader" ] || [ ! -S "/proc/$leader/root/run/systemd/private" ] || break
		sleep 0.05
	done
	[ -n "$leader" ] || die "$name did not boot in time"
	echo $outer >"$dir/outer"
	echo "$leader" >"$dir/leader"
	inside "$name" 'timeout 60 systemctl is-system-running --wait' >/dev/null || true
}

inside() {
	local leader
	leader=$(cat "$notes/$1/leader" 2>/dev/null) || die "there is no machine $1"
	nsenter -t "$leader" -m -u -i -n -p -C env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		LANG=C.UTF-8 TERM=dumb HOME=/root SYSTEMD_PAGER= SYSTEMD_COLORS=0 bash -c "$2"
}

down() {
	local dir=$notes/$1
	[ -e "$dir/leader" ] || return 0
	kill -9 "$(cat "$dir/leader")" 2>/dev/null || true
	for _ in $(seq 200); do
		kill -0 "$(cat "$dir/outer")" 2>/dev/null || break
		sleep 0.05
	done
	rm -rf "$dir"
	# shellcheck disable=SC2016 # the inner shell expands it
	unshare --mount --propagation private sh -c 'umount -R /sys/fs/cgroup; mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
		find "/sys/fs/cgroup/cordon-$1" -depth -type d -exec rmdir {} +' sh "$1" 2>/dev/null || true
}

verb=${1:-}
[ $# -eq 0 ] || shift
case $verb in
usable | boot | up | down) "$verb" "$@" ;;
sh) inside "$@" ;;
*) sed -n '4,7s/^# \{0,3\}//p' "$0" >&2; exit 64 ;;
esac
