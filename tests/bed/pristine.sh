#!/usr/bin/env bash
# pristine.sh - from a Debian with nothing on it to an enrolled device, as an administrator would type it
#
#   pristine.sh [12|13]...     (both by default); also: make check-pristine
#
# For each release: mmdebstrap makes its root from the mirror that apt has here; the package is built within that release, against
# its libraries; the root is booted with its own systemd, and every command is typed in it.  What was typed and what was said
# lies in pristine-12.txt and pristine-13.txt in the build directory.  Only Apple and the device are not real: they run outside,
# in the network of the machine.  Takes root, a mirror, and some ten minutes for each release.  PRISTINE_ROOTS=DIR keeps the
# roots there for the next time; PRISTINE_DEBS=DIR has packages that were built so, in DIR/12/ and DIR/13/.
set -u
# shellcheck source=tests/bed/bed.sh
. "$CORDON_SOURCE/tests/bed/bed.sh"
declare -A codename=([12]=bookworm [13]=trixie)
roots=${PRISTINE_ROOTS:-$work/roots}
name=mdm.example.test

# sources CODENAME: the lines of sources.list for a release, from the mirror that is configured here
sources() {
	local here
	here=$(. /etc/os-release && echo "$VERSION_CODENAME")
	apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
		sed -n "s/^Debian //p" | sort -u | sed -n "s/ $here/ $1/p" | sed 's/^/deb /; s/$/ main/'
}

# in_root ROOT UPPER SCRIPT: as root within a root; what it writes goes to UPPER
in_root() {
	mkdir -p "$2/upper" "$2/work" "$2/tree"
	# shellcheck disable=SC2016 # the inner shells expand it
	unshare --mount --propagation private bash -ec '
		mount -t overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" overlay "$2/tree"
		mount --rbind /proc "$2/tree/proc"
		mount --rbind /dev "$2/tree/dev"
		cat /etc/resolv.conf >"$2/tree/etc/resolv.conf"
		printf "#!/bin/sh\nexit 101\n" >"$2/tree/usr/sbin/policy-rc.d"
		chmod 755 "$2/tree/usr/sbin/policy-rc.d"
		exec chroot "$2/tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive \
			bash -ec "$3"' bash "$@"
}

# root_of RELEASE: what debootstrap calls a minimal Debian, and no more
root_of() {
	[ -e "$roots/$1/etc/debian_version" ] && return
	mkdir -p "$roots"
	sources "${codename[$1]}" | mmdebstrap --quiet --variant=important --skip=cleanup/apt/lists --include=ca-certificates \
		"${codename[$1]}" "$roots/$1.part" - && mv "$roots/$1.part" "$roots/$1"
}

# The package, built and looked at by lintian in a copy of the root that has compilers.
package_of() {
	local layer=$work/build-$1
	mkdir -p "$work/deb-$1"
	[ -z "${PRISTINE_DEBS:-}" ] || { cp "$PRISTINE_DEBS/$1"/cordon_*.deb "$work/deb-$1/"; return; }
	mkdir -p "$layer/upper/src" && cp "$work"/cordon-*.tar.xz "$layer/upper/src/" || return
	in_root "$roots/$1" "$layer" '
		apt-get -q update && apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io install build-essential lintian
		cd /src && tar -xf cordon-*.tar.xz && rm cordon-*.tar.xz && cd cordon-*
		cp -R packaging/debian debian
		apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-unsafe-io build-dep ./
		dpkg-buildpackage -us -uc -b
		lintian --allow-root --fail-on error,warning ../cordon_*.deb' || return
	cp "$layer"/upper/src/cordon_*.deb "$work/deb-$1/" && rm -rf "$layer"
}

# What apt would fetch for it: the machine has no way out.
fetch_for() {
	mkdir -p "$work/fetch-$1/upper/src" && cp "$work/deb-$1"/cordon_*.deb "$work/fetch-$1/upper/src/cordon.deb" &&
		in_root "$roots/$1" "$work/fetch-$1" \
			'apt-get -q -y --download-only -o APT::Keep-Downloaded-Packages=true install /src/cordon.deb' &&
		mkdir -p "$work/share/archives" && cp "$work/fetch-$1"/upper/var/cache/apt/archives/*.deb "$work/share/archives/"
}

note() { printf '\n%s\n' "$*" >>"$transcript"; }
# type_ COMMAND: typed in the machine; command and what it said are noted
type_() {
	local status
	{
		printf '\n# %s\n' "$1"
		in_ "cd /root; $1" 2>&1
		status=$?
		[ $status -eq 0 ] || echo "[exit status $status]"
	} >>"$transcript"
	return $status
}
# shown PATTERN COMMAND: what it prints comes to contain that; the last look at it is noted
shown() {
	soon "$1" "$2"
	local status=$?
	type_ "$2" || true
	return $status
}
# Apple and the device are outside the machine, in its network.
device=("$CORDON_BUILD/tests/device/fake-device" --state "$work/device" --udid 00008110-000A1C2E3F40BED0 --serial C39BED --os 18.1
	--connect 127.0.0.1:443 --public-roots "$work/share/tls-ca.crt")

apple_starts() {
	bash "$CORDON_SOURCE/tests/apple.sh" init "$work/share/apple" || return
	chmod 755 "$work/share" "$work/share/apple"
	nsenter -t "$leader" -n "$CORDON_BUILD/tests/apns/fake-apns" --port 2197 --cert "$work/share/apple/apns.pem" --key "$work/share/apple/apns.key" \
		--client-ca "$work/share/apple/ca.pem" --wake "$work/wake" >"$work/apns.log" 2>&1 &
	apns=$!
}
apple_signs() {
	in_ 'cp /etc/cordon/certs/push-*.csr /share/push.csr' &&
		bash "$CORDON_SOURCE/tests/apple.sh" sign "$work/share/apple" "$work/share/push.csr" "$work/share/MDM_Example_Certificate.pem"
}
device_enrolls() {
	local link
	in_ 'cp /etc/cordon/certs/tls-ca.crt /share/'
	link=$(in_ cordonctl enroll-link) || return
	printf '\n# cordonctl enroll-link\n%s\n' "$link" >>"$transcript"
	link=$(grep -o 'https://[^ ]*' <<<"$link" | head -n 1)
	note "[the device] enrolls by $link"
	nsenter -t "$leader" -n "${device[@]}" --link "$link" enroll >>"$transcript" 2>&1
}
device_starts() {
	note "[the device] lives on, and waits to be woken"
	nsenter -t "$leader" -n "${device[@]}" --wake "$work/wake" run >>"$transcript" 2>&1 &
	living=$!
	for _ in $(seq 300); do [ -S "$work/wake" ] && return; sleep 0.1; done
	return 1
}

# walk RELEASE: the way of the README
walk() {
	local r=$1
	transcript=$CORDON_BUILD/pristine-$r.txt apns='' living=''
	: >"$transcript"
	rm -rf "$work/share" "$work/device" "$work/wake"
	mkdir -p "$work/share"
	ok "Debian $r: a pristine root" root_of "$r"
	ok "Debian $r: the package is built against its libraries, and lintian is content" package_of "$r"
	ok "Debian $r: what it depends on" fetch_for "$r"
	cp "$work/deb-$r"/cordon_*.deb "$work/share/" || return
	MACHINE_ROOT=$roots/$r bash "$here/machine.sh" up "$machine" "$work/share:/share" 2>"$work/why" || {
		echo "# no machine boots here: $(tail -n 3 "$work/why")"
		ok "Debian $r: it boots" false
		return
	}
	leader=$(cat "$MACHINE_DIR/$machine/leader")
	in_ "cp /share/archives/*.deb /var/cache/apt/archives/; echo '127.0.0.1 $name' >>/etc/hosts"
	note "Debian $r on a machine of its own. What follows is typed as root."
	type_ 'cat /etc/debian_version; systemctl --version | head -n 1'
	type_ 'dpkg -i /share/cordon_*.deb'
	ok "Debian $r: dpkg -i, and apt-get for what it depends on" type_ 'apt-get -y -q -f install'
	ok "Debian $r: it waits, and says for what" shown '*Status: "MDM not configured: server-name is still*' 'systemctl status cordond'
	ok "Debian $r: two lines are edited" type_ "sed -i -e 's/^organization = .*/organization = \"Example\";/' -e 's/^server-name = .*/server-name = \"$name\";/' /etc/cordon/cordond.conf"
	ok "Debian $r: cordon-ssc new" type_ 'cordon-ssc new --common-name "Example MDM"'
	ok "Debian $r: cordon-ssc tls" type_ "cordon-ssc tls $name"
	ok "Debian $r: cordon-csr new" type_ 'cordon-csr new --common-name "Example push" --country CH --email it@example.test'
	ok "Debian $r: it says what is next" shown '*Status: "MDM not configured: there is no push certificate; have push-*.csr signed*' 'systemctl status cordond'
	ok "Debian $r: cordonctl steps" type_ 'cordonctl steps'
	apple_starts
	note "[Apple is a throw-away one here: the next line makes the daemon connect to it, and its portal signs the request.]"
	type_ "printf 'push: { host = \"localhost\"; port = 2197; trust = \"/share/apple/ca.pem\"; };\n' >/etc/cordon/conf.d/10-apple.conf"
	ok "Debian $r: Apple signs" apple_signs
	ok "Debian $r: its certificate is dropped in" type_ 'cp /share/MDM_Example_Certificate.pem /etc/cordon/certs/'
	ok "Debian $r: push is Connected" shown '*Active: active (running)*Status: "Push: Connected. Push certificate: renew by *0 enrolled, 0 inactive, 0 removed.*' 'systemctl status cordond'
	ok "Debian $r: a device enrolls" device_enrolls
	device_starts
	ok "Debian $r: ... is listed" type_ 'cordonctl devices'
	ok "Debian $r: ... and answers a command" type_ 'cordonctl send C39BED DeviceInformation --wait 60'
	ok "Debian $r: all is well" shown '*1 enrolled*' 'cordonctl status'
	type_ 'systemctl status cordond'
	type_ 'journalctl -u cordond -o cat --no-pager'
	ok "Debian $r: systemd-analyze security says 1.5 at most" type_ 'systemd-analyze security --threshold=15 --no-pager cordond | tail -n 1'
	ok "Debian $r: purged, nothing is left" type_ 'dpkg -P cordon && ! ls -d /etc/cordon /var/lib/cordon /run/cordon 2>/dev/null'
	bash "$here/machine.sh" down "$machine"
	# Outside, so they outlive the machine.
	for pid in $apns $living; do kill "$pid" 2>/dev/null; done
	wait $apns $living 2>/dev/null
	echo "# the transcript is $transcript"
}

# Built for 12, could it be installed on 13?
elsewhere() {
	mkdir -p "$work/else/upper/src" && cp "$work"/deb-12/cordon_*.deb "$work/else/upper/src/cordon.deb" &&
		in_root "$roots/13" "$work/else" 'apt-get -q -s --no-install-recommends install /src/cordon.deb 2>&1' | tail -n 12 | sed 's/^/# /'
}

bash "$here/machine.sh" usable 2>"$work/why" || leave_out "$(cat "$work/why")"
command -v mmdebstrap >/dev/null || leave_out "mmdebstrap is not here"
[ -n "$(sources x)" ] || leave_out "apt has no mirror of Debian here"
[ $# -gt 0 ] || set -- 12 13
(
	flock 9 # make deb takes the same file
	make -C "$CORDON_BUILD" -s dist && mv "$CORDON_BUILD"/cordon-*.tar.xz "$work/"
) 9>"$CORDON_BUILD/deb.lock" >"$work/dist.log" 2>&1 || { tail -n 20 "$work/dist.log"; echo "Bail out! make dist failed"; exit 1; }
for release; do walk "$release"; done
if [ -d "$work/deb-12" ] && [ -d "$roots/13" ]; then
	echo "# the package of 12 on 13:"
	elsewhere
fi
tap_end
