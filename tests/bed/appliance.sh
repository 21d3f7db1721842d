#!/usr/bin/env bash
# appliance.sh - the package on a real systemd: installed, started, reloaded, hung, killed, activated, removed, purged
#
# Runs as root where systemd-nspawn and debhelper are; elsewhere it says that it was left out.  CORDON_DEB names a package that
# is there already; else one is built.
set -u
# shellcheck source=tests/bed/bed.sh
. "$CORDON_SOURCE/tests/bed/bed.sh"

# status ACTIVE LINE: what an administrator sees in systemctl status, to the letter: how it runs, and the line of the daemon
status() {
	local end=$((SECONDS + 60)) seen
	until
		seen=$(in_ 'systemctl status cordond' | sed -n -E 's/^ *Active: ([^;]*) since .*/\1/p; s/^ *Status: "(.*)"$/\1/p')
		# shellcheck disable=SC2053 # a pattern
		[[ $seen == "$1"${2:+$'\n'}$2 ]]
	do
		[ $SECONDS -lt $end ] || { printf 'wanted: %s\n%s\nseen: %s\n' "$1" "$2" "$seen"; in_ 'journalctl -u cordond -n 15 --no-pager'; return 1; }
		sleep 0.3
	done
}
active='active (running)'
renew='Push certificate: renew by 20[0-9][0-9]-[0-9][0-9]-[0-9][0-9] (36[45] days).'
devices='1 enrolled, 0 inactive, 0 removed.'
more='(and 1 more: cordonctl status) ' # problems
none='Push: Disconnected. 0 enrolled, 0 inactive, 0 removed.'
fine="Push: Connected. $renew $devices"

export MACHINE_DISK=320 # the log alone grows to five segments of 32 MiB
machine_up

# --- installed: enabled, running, waiting, and nothing failed ---
if command -v lintian >/dev/null; then
	ok "lintian finds nothing in the package" lintian --allow-root --fail-on error,warning "$work/share/cordon.deb"
else
	ok "lintian finds nothing in the package # lintian is not on this machine" true
fi
ok "the package installs" in_ 'dpkg -i /share/cordon.deb'
ok "the service runs and is enabled" has "active enabled" 'echo $(systemctl is-active cordond) $(systemctl is-enabled cordond)'
ok "... and waits" status "$active" "MDM not configured: server-name is still \"mdm.example.invalid\"; set organization and server-name in /etc/cordon/cordond.conf. $more$none"
ok "no unit failed" has "0 loaded units" 'systemctl --failed'
ok "a system call that the unit does not allow fails and does not end it" in_ 'systemctl show -P SystemCallErrorNumber cordond | grep -Eqx "1|EPERM"'
ok "it runs as cordon, with port binding as its only capability" in_ 'pid=$(systemctl show -P MainPID cordond)
	[ "$(stat -c %U /proc/$pid)" = cordon ] && grep -q "^CapEff:	0000000000000400" /proc/$pid/status &&
	grep -q "^NoNewPrivs:	1" /proc/$pid/status || { cat /proc/$pid/status; false; }'
ok "directories and sockets belong to whom they should" in_ '
	diff - <(stat -c "%a %U:%G %n" /etc/cordon /etc/cordon/certs /var/lib/cordon /run/cordon/control.sock /run/cordon/gate.sock) <<-X
		755 root:root /etc/cordon
		750 root:cordon /etc/cordon/certs
		700 cordon:cordon /var/lib/cordon
		660 cordon:cordon-admin /run/cordon/control.sock
		660 cordon:cordon-gate /run/cordon/gate.sock
	X'
ok "systemd-analyze security says 1.5 at most" in_ 'systemd-analyze security --threshold=15 --no-pager cordond'
ok "systemd-analyze verify finds nothing" in_ '
	said=$(systemd-analyze verify /lib/systemd/system/cordon*.service /lib/systemd/system/cordon*.socket /lib/systemd/system/cordon*.timer 2>&1)
	echo "$said"; [ -z "$said" ]'

# --- set up: as the README has it ---
ok "two lines are edited, and it goes on without a restart" in_ '
	sed -i -e "s/^organization = .*/organization = \"Bed\";/" -e "s/^server-name = .*/server-name = \"localhost\";/" /etc/cordon/cordond.conf'
ok "... to the next thing that is missing" status "$active" "MDM not configured: there is no SSC and no push certificate; make the SSC with cordon-ssc new, then a signing request with cordon-csr new. $more$none"
ok "a fake Apple is up" in_ '/share/inside.sh apple'
ok "SSC, TLS certificate and signing request are made" in_ 'cordon-ssc new --common-name "Bed MDM" && cordon-ssc tls localhost &&
	cordon-csr new --common-name push --country CH --email it@example.org && ls -l /etc/cordon/certs'
ok "... and the status says what Apple must do" status "$active" \
	"MDM not configured: there is no push certificate; have $(in_ 'cd /etc/cordon/certs; echo push-*.csr') signed, take it to Apple's portal and drop the certificate into /etc/cordon/certs. $none"
ok "Apple's certificate is dropped in" in_ '/share/inside.sh sign'
ok "... and push is Connected" status "$active" "Push: Connected. $renew 0 enrolled, 0 inactive, 0 removed."
ok "cordond -t is content" in_ 'cordond -t'
ok "a device enrolls" in_ '/share/inside.sh enroll'
ok "... and is counted" status "$active" "$fine"
ok "a command is pushed and answered" in_ '/share/inside.sh device-on; cordonctl send C39BED DeviceInformation --wait 60'

# --- reload ---
before=$(in_ 'systemctl show -P MainPID cordond')
ok "started, it says how it is" status "$active" "$fine"
ok "reload takes a changed setting" in_ 'echo "lock-after = \"7d\";" >/etc/cordon/conf.d/50-lock.conf && systemctl reload cordond &&
	systemctl is-active --quiet cordond && journalctl --sync && journalctl -u cordond | grep "changed: lock-after"'
ok "... and is as it was" status "$active" "$fine"
ok "... without a restart" [ "$before" = "$(in_ 'systemctl show -P MainPID cordond')" ]
ok "a fault refuses itself and stands first in the status" in_ 'echo "lock-after = \"soon\";" >/etc/cordon/conf.d/50-lock.conf && systemctl reload cordond'
ok "... with the last good configuration in use" status "$active" "Configuration faults: the last good configuration is in use until they are mended. $more$fine"
ok "... also over a restart" in_ 'systemctl restart cordond'
ok "... where it says so again" status "$active" "Configuration faults: the last good configuration is in use until they are mended. $more$fine"
ok "mended, it goes away" in_ 'rm /etc/cordon/conf.d/50-lock.conf'
ok "... from the status too" status "$active" "$fine"

# --- death ---
ok "after kill -9 systemd starts it again" in_ 'systemctl kill -s KILL cordond'
ok "... in two seconds" status 'activating (auto-restart) (Result: signal)' "$fine" # its last words
ok "it is back" in_ 'for i in $(seq 100); do [ "$(systemctl show -P NRestarts cordond)" = 1 ] && systemctl is-active -q cordond && exit 0; sleep 0.1; done; exit 1'
ok "... with its device and its push" status "$active" "$fine"
ok "the watchdog watches" in_ 'mkdir -p /run/systemd/system/cordond.service.d &&
	printf "[Service]\nWatchdogSec=2\nRestartSec=3\n" >/run/systemd/system/cordond.service.d/bed.conf &&
	systemctl daemon-reload && systemctl restart cordond'
ok "... a daemon that works" status "$active" "$fine"
in_ 'kill -STOP $(systemctl show -P MainPID cordond)'
ok "one that hangs is killed" status 'activating (auto-restart) (Result: watchdog)' "$fine"
ok "... and the journal says why" soon 'Watchdog timeout (limit 2s)!' 'journalctl --sync; journalctl -u cordond'
ok "... and started again" in_ 'for i in $(seq 300); do [ "$(systemctl show -P NRestarts cordond)" = 1 ] && systemctl is-active -q cordond && exit 0; sleep 0.1; done; exit 1'
ok "... and serves" status "$active" "$fine"

# --- what it tells ---
ok "a lock and an unlock" in_ 'cordonctl lock C39BED && cordonctl unlock C39BED'
ok "a refused certificate" in_ 'openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /UID=com.apple.mgmt.External.strange -days 1 -out /etc/cordon/certs/strange.pem 2>/dev/null'
ok "... is named" soon 'strange.pem' 'journalctl --sync; journalctl -u cordond'
ok "journalctl -x explains the lock" has 'Access of a device is locked*The gate denies it.' 'journalctl --sync; journalctl -x -u cordond --no-pager'
ok "... and the certificate" has 'Nothing else is affected: other certificates, devices and push go on.' 'journalctl -x -u cordond --no-pager'
in_ 'rm /etc/cordon/certs/strange.pem'
ok "a push certificate with five days left" in_ '/share/inside.sh short 5'
ok "... is in the status" status "$active" "The push certificate (MDM_Bed_Certificate.pem) expires on 20??-??-??, in 4 days: renew it with cordon-csr renew, and with Renew on the row of this topic in Apple's portal. Push: Connected. Push certificate: renew by 20??-??-?? (4 days). $devices"
ok "... and explained by journalctl -x" soon '*never Create, never Revoke: a new topic would mean enrolling every device again.*' 'journalctl --sync; journalctl -x -u cordond --no-pager'
ok "... which is not called gone when one of its name replaces it" in_ '! journalctl -u cordond | grep "not there any more"'
ok "... until its successor is there" in_ '/share/inside.sh short 365'
ok "... which replaces it at once" status "$active" "$fine"
ok "the surveillance log is JSON with who and whom" in_ 'journalctl CORDON_LOG=surveillance -o json | python3 -c "
import json, sys
lines = [json.loads(line) for line in sys.stdin]
locks = [l for l in lines if l[\"MESSAGE_ID\"] == \"c0a1d0c5f7e04b1e9a3f0d5e6b7a0037\"]
assert len(locks) == 1, lines
assert locks[0][\"CORDON_SERIAL\"] == \"C39BED\" and locks[0][\"CORDON_ENROLLMENT\"] and locks[0][\"CORDON_ACTOR\"] == \"root\", locks
assert locks[0][\"_SYSTEMD_UNIT\"] == \"cordond.service\", locks
assert any(l[\"MESSAGE_ID\"] == \"c0a1d0c5f7e04b1e9a3f0d5e6b7a0031\" for l in lines), lines
"'
ok "no token, challenge or link is in the journal" in_ '! journalctl -u cordond -o json | grep -E "$(cat /tmp/link | sed "s/.*link=//")"'

# --- sockets of systemd ---
ok "the sockets are systemd's" in_ 'systemctl stop cordond && systemctl enable --now cordond.socket cordond-control.socket cordond-gate.socket 2>&1'
ok "stopped, it is stopped" status 'inactive (dead)' ''
ok "requests to gate, control and devices start it, and none is lost" in_ '/share/inside.sh ask 40'
ok "... and it is as it was" status "$active" "$fine"
ok "... and none while it restarts" in_ '(sleep 0.2; systemctl restart cordond) & /share/inside.sh ask 40; s=$?; wait; exit $s'
ok "... with the same groups at the door" has '660 cordon:cordon-gate' 'stat -c "%a %U:%G" /run/cordon/gate.sock'
ok "... and its device" status "$active" "$fine"

# --- the key that seals secrets ---
ok "the sealing key may be a credential" in_ 'install -D -m 600 /etc/cordon/certs/store.key /etc/credstore/cordon.store.key &&
	rm /etc/cordon/certs/store.key && systemctl restart cordond && cordonctl show C39BED | grep 18.1'
ok "... and without any the service runs, and says so" in_ 'mv /etc/credstore/cordon.store.key /root/store.key && systemctl restart cordond && systemctl is-active cordond'
ok "... in its status" status "$active" "There is no store.key: secrets and answers in /var/lib/cordon can neither be read nor kept; [0-9] secrets and the push tokens of [0-9] enrollments do not open. Put the right one back into /etc/cordon/certs, from where it is kept beside the backup. $fine"

ok "... until it is back" in_ 'chgrp cordon /root/store.key; chmod 640 /root/store.key; mv /root/store.key /etc/cordon/certs/'
ok "... which needs no restart" status "$active" "$fine"

# --- trouble around it ---
ok "a read-only /etc is all it needs" in_ 'mount --bind /etc /etc && mount -o remount,bind,ro /etc && systemctl restart cordond; s=$?; umount /etc; exit $s'
ok "... and it is as it was" status "$active" "$fine"
ok "the state directory is on a small file system" in_ '/share/inside.sh small'
ok "... which is fine" status "$active" "$fine"
ok "another fills it" in_ '/share/inside.sh crowd'
ok "... which is said at once" status "$active" "The store in /var/lib/cordon runs out of room: only 0.0 MiB are free on its file system. Changes are still taken, from a reserve; make room or mend the disk before it is used up. $fine"
ok "... and in the journal" soon 'Less than 64 MiB are free*"df" and "du" say what filled it.' 'journalctl --sync; journalctl -x -u cordond --no-pager'
ok "a device still enrolls again, from the reserve" in_ 'systemctl stop fake-device; /share/inside.sh enroll'
ok "changes use the reserve up and are refused" in_ '/share/inside.sh use-up 00008110-000A1C2E3F40BED0'
full="The store in /var/lib/cordon takes no changes: No space left on device. Devices are told to come back; make room or mend the disk. $fine"
ok "... which is said" status "$active" "$full"
ok "what is read goes on" in_ 'cordonctl show C39BED >/dev/null && /share/inside.sh ask 1'
ok "a little room is not enough for what was refused" in_ 'truncate -s -4096 /disk/ballast; sleep 4; ! cordonctl send C39BED DeviceInformation --no-push'
ok "... and still said" status "$active" "$full"
ok "it is over when there is room" in_ 'rm /disk/ballast'
ok "... by itself" status "$active" "$fine"
ok "... and nothing is lost that was taken" in_ 'systemctl kill -s KILL cordond; cordonctl queue C39BED | grep -c InstallProfile'

# --- stopped, removed, purged ---
ok "it stops without a complaint" in_ 'systemctl disable --now cordond.socket cordond-control.socket cordond-gate.socket 2>/dev/null
	systemctl stop cordond && [ "$(systemctl show -P Result cordond)" = success ]'
in_ 'umount /var/lib/cordon'
ok "removing keeps configuration, certificates and state" in_ 'dpkg -r cordon && ls /etc/cordon/cordond.conf /etc/cordon/certs/ssc.key && ls -d /var/lib/cordon/state.gdbm'
ok "installed again, it goes on where it was" in_ 'dpkg -i /share/cordon.deb'
ok "... with its device" status "$active" "$fine"
ok "an upgrade restarts it" in_ 'dpkg-deb -R /share/cordon.deb /tmp/next && sed -i "s/^Version: .*/Version: 99-1/" /tmp/next/DEBIAN/control &&
	dpkg-deb -b /tmp/next /tmp/next.deb && old=$(systemctl show -P MainPID cordond) && dpkg -i /tmp/next.deb &&
	[ "$(systemctl show -P MainPID cordond)" != "$old" ]'
ok "... with its device" status "$active" "$fine"
ok "an edited conffile survived" in_ 'grep "server-name = \"localhost\"" /etc/cordon/cordond.conf'
ok "purging leaves nothing" in_ 'dpkg -P cordon && ! ls -d /etc/cordon /var/lib/cordon /run/cordon /lib/systemd/system/cordond* 2>/dev/null'
tap_end
