#!/usr/bin/env bash
# appliance.sh - the package on a real systemd: installed, started, reloaded, hung, killed, activated, removed, purged
#
# Runs as root where systemd-nspawn and debhelper are; elsewhere it says that it was left out.  CORDON_DEB names a package that
# is there already; else one is built.
set -u
# shellcheck source=tests/bed/bed.sh
. "$CORDON_SOURCE/tests/bed/bed.sh"
status() { soon "$1" "systemctl status cordond | sed -n 's/^ *Status: //p'"; }

machine_up

# --- installed: enabled, running, waiting, and nothing failed ---
ok "the package installs" in_ 'dpkg -i /share/cordon.deb'
ok "the service runs and is enabled" has "active enabled" 'echo $(systemctl is-active cordond) $(systemctl is-enabled cordond)'
ok "... and waits" status 'MDM not configured: server-name is still "mdm.example.invalid"; set organization and server-name in /etc/cordon/cordond.conf.'
ok "no unit failed" has "0 loaded units" 'systemctl --failed'
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
ok "... to the next thing that is missing" status 'MDM not configured: there is no SSC and no push certificate'
ok "a fake Apple is up" in_ '/share/inside.sh apple'
ok "SSC, TLS certificate and signing request are made" in_ 'cordon-ssc new --common-name "Bed MDM" && cordon-ssc tls localhost &&
	cordon-csr new --common-name push --country CH --email it@example.org && ls -l /etc/cordon/certs'
ok "... and the status says what Apple must do" status 'MDM not configured: there is no push certificate'
ok "Apple's certificate is dropped in" in_ '/share/inside.sh sign'
ok "... and push is Connected" status 'Push: Connected. Push certificate: renew by *. 0 enrolled, 0 inactive, 0 removed.'
ok "cordond -t is content" in_ 'cordond -t'
ok "a device enrolls" in_ '/share/inside.sh enroll'
ok "... and is counted" status '1 enrolled, 0 inactive'
ok "a command is pushed and answered" in_ '/share/inside.sh device-on; cordonctl send C39BED DeviceInformation --wait 60'

# --- reload ---
before=$(in_ 'systemctl show -P MainPID cordond')
ok "reload takes a changed setting" in_ 'echo "lock-after = \"7d\";" >/etc/cordon/conf.d/50-lock.conf && systemctl reload cordond &&
	systemctl is-active --quiet cordond && journalctl --sync && journalctl -u cordond | grep "changed: lock-after"'
ok "... without a restart" [ "$before" = "$(in_ 'systemctl show -P MainPID cordond')" ]
ok "a fault refuses itself and stands first in the status" in_ 'echo "lock-after = \"soon\";" >/etc/cordon/conf.d/50-lock.conf && systemctl reload cordond'
ok "... with the last good configuration in use" status 'Configuration faults: the last good configuration is in use until they are mended.'
ok "... also over a restart" in_ 'systemctl restart cordond'
ok "... where it says so again" status 'Configuration faults: the last good configuration is in use until they are mended.'
ok "mended, it goes away" in_ 'rm /etc/cordon/conf.d/50-lock.conf'
ok "... from the status too" soon 'Status: "Push: Connected. *1 enrolled' 'systemctl status cordond'

# --- death ---
ok "after kill -9 it is back" in_ 'old=$(systemctl show -P MainPID cordond); kill -9 $old
	for i in $(seq 100); do [ "$(systemctl show -P NRestarts cordond)" = 1 ] && systemctl is-active -q cordond && exit 0; sleep 0.1; done; exit 1'
ok "... with its device and its push" status 'Push: Connected. *1 enrolled'
ok "a daemon that hangs is killed by the watchdog and started again" in_ '
	mkdir -p /run/systemd/system/cordond.service.d && printf "[Service]\nWatchdogSec=2\nRestartSec=100ms\n" >/run/systemd/system/cordond.service.d/bed.conf
	systemctl daemon-reload && systemctl restart cordond && kill -STOP $(systemctl show -P MainPID cordond)
	for i in $(seq 300); do [ "$(systemctl show -P NRestarts cordond)" = 1 ] && systemctl is-active -q cordond && break; sleep 0.1; done
	journalctl --sync; journalctl -u cordond | grep "Watchdog timeout" && [ "$(systemctl show -P NRestarts cordond)" = 1 ]'
ok "... and serves" status 'Push: Connected. *1 enrolled'

# --- what it tells ---
ok "a lock and an unlock" in_ 'cordonctl lock C39BED && cordonctl unlock C39BED'
ok "a refused certificate" in_ 'openssl req -x509 -newkey rsa:2048 -nodes -keyout /dev/null -subj /UID=com.apple.mgmt.External.strange -days 1 -out /etc/cordon/certs/strange.pem 2>/dev/null'
ok "... is named" soon 'strange.pem' 'journalctl --sync; journalctl -u cordond'
ok "journalctl -x explains the lock" has 'Access of a device is locked*The gate denies it.' 'journalctl --sync; journalctl -x -u cordond --no-pager'
ok "... and the certificate" has 'Nothing else is affected: other certificates, devices and push go on.' 'journalctl -x -u cordond --no-pager'
in_ 'rm /etc/cordon/certs/strange.pem'
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
ok "stopped, it is stopped" has inactive 'systemctl is-active cordond'
ok "requests to gate, control and devices start it, and none is lost" in_ '/share/inside.sh ask 40'
ok "... and none while it restarts" in_ '(sleep 0.2; systemctl restart cordond) & /share/inside.sh ask 40; s=$?; wait; exit $s'
ok "... with the same groups at the door" has '660 cordon:cordon-gate' 'stat -c "%a %U:%G" /run/cordon/gate.sock'
ok "... and its device" status 'Push: Connected. *1 enrolled'

# --- the key that seals secrets ---
ok "the sealing key may be a credential" in_ 'install -D -m 600 /etc/cordon/certs/store.key /etc/credstore/cordon.store.key &&
	rm /etc/cordon/certs/store.key && systemctl restart cordond && cordonctl show C39BED | grep 18.1'
ok "... and without any the service runs, and says so" in_ 'mv /etc/credstore/cordon.store.key /root/store.key && systemctl restart cordond && systemctl is-active cordond'
ok "... in its status" status 'There is no store.key'

ok "... until it is back" in_ 'chgrp cordon /root/store.key; chmod 640 /root/store.key; mv /root/store.key /etc/cordon/certs/'
ok "... which needs no restart" soon 'Status: "Push: Connected.' 'systemctl status cordond'

# --- trouble around it ---
ok "a read-only /etc is all it needs" in_ 'mount --bind /etc /etc && mount -o remount,bind,ro /etc && systemctl restart cordond; s=$?; umount /etc; exit $s'
ok "a full state directory" in_ '/share/inside.sh fill'
ok "... is said" status 'The store in /var/lib/cordon takes no changes'
ok "... and over when there is room" in_ 'rm /var/lib/cordon/ballast'
ok "... by itself" soon 'Push: Connected. *1 enrolled' 'systemctl status cordond'

# --- stopped, removed, purged ---
ok "it stops without a complaint" in_ 'systemctl disable --now cordond.socket cordond-control.socket cordond-gate.socket 2>/dev/null
	systemctl stop cordond && [ "$(systemctl show -P Result cordond)" = success ]'
in_ 'umount /var/lib/cordon'
ok "removing keeps configuration, certificates and state" in_ 'dpkg -r cordon && ls /etc/cordon/cordond.conf /etc/cordon/certs/ssc.key && ls -d /var/lib/cordon/state.gdbm'
ok "installed again, it goes on where it was" in_ 'dpkg -i /share/cordon.deb'
ok "... with its device" status '1 enrolled'
ok "an edited conffile survived" in_ 'grep "server-name = \"localhost\"" /etc/cordon/cordond.conf'
ok "purging leaves nothing" in_ 'dpkg -P cordon && ! ls -d /etc/cordon /var/lib/cordon /run/cordon /lib/systemd/system/cordond* 2>/dev/null'
tap_end
