# bed.sh - sourced by the tests of this directory: a machine with the package, and what is looked at in it
# shellcheck shell=bash
: "${CORDON_BUILD:?}" "${CORDON_SOURCE:?}"
here=$CORDON_SOURCE/tests/bed
machine=$(basename "$0" .sh)$$
work=$(mktemp -d)
export MACHINE_DIR=$work/machine
trap 'bash "$here/machine.sh" down "$machine"; rm -rf "$work"' EXIT
# shellcheck source=tests/tap.sh
. "$CORDON_SOURCE/tests/tap.sh"

leave_out() { echo "1..0 # SKIP $*"; exit 0; }
in_() { bash "$here/machine.sh" sh "$machine" "$*"; }
has() { # has PATTERN SCRIPT: what the script prints contains what the shell pattern says
	local out
	out=$(in_ "$2" 2>&1)
	# shellcheck disable=SC2053 # a pattern
	[[ $out == *$1* ]] || { printf 'wanted: %s\nin: %s\n' "$1" "$out"; return 1; }
}
# What systemctl status says comes within the time that an administrator would wait for it.
soon() {
	local end=$((SECONDS + 40))
	until has "$@" >/dev/null; do
		[ $SECONDS -lt $end ] || { has "$@"; in_ 'journalctl -u cordond -n 15 --no-pager'; return 1; }
		sleep 0.3
	done
}

# A machine with the package, the fake device, the fake APNs and $@ in /share; or the test is left out.
machine_up() {
	local deb=${CORDON_DEB:-}
	bash "$here/machine.sh" usable 2>"$work/why" || leave_out "$(cat "$work/why")"
	if [ -z "$deb" ]; then
		command -v dh >/dev/null || leave_out "debhelper is not here"
		(
			flock 9 # the other tests of this directory want the same
			deb=$(ls "$CORDON_BUILD"/cordon_*.deb 2>/dev/null)
			[ -n "$deb" ] && [ "$deb" -nt "$CORDON_BUILD/cordond" ] || make -C "$CORDON_BUILD" deb
		) 9>"$CORDON_BUILD/deb.lock" >"$work/deb.log" 2>&1 || {
			tail -n 30 "$work/deb.log"
			echo "Bail out! make deb failed"
			exit 1
		}
		deb=$(ls "$CORDON_BUILD"/cordon_*.deb)
	fi
	mkdir "$work/share"
	cp "$deb" "$work/share/cordon.deb"
	cp -R "$CORDON_BUILD/tests/device/fake-device" "$CORDON_BUILD/tests/apns/fake-apns" "$CORDON_SOURCE/tests/apple.sh" "$here/inside.sh" \
		"$@" "$work/share/"
	bash "$here/machine.sh" up "$machine" "$work/share:/share" 2>"$work/why" || leave_out "no machine boots here: $(tail -n 3 "$work/why")"
}
