#!/usr/bin/env bash
# inside.sh - what appliance.sh does within its machine: the fake Apple, the fake device, and those who ask
set -eu -o pipefail
apple=/srv/apple
device=(/share/fake-device --state /srv/device --udid 00008110-000A1C2E3F40BED0 --serial C39BED --os 18.1
	--public-roots /etc/cordon/certs/tls-ca.crt)

apple() {
	bash /share/apple.sh init $apple
	chmod 755 $apple
	systemd-run --quiet --unit fake-apns /share/fake-apns --port 2197 --cert $apple/apns.pem --key $apple/apns.key \
		--client-ca $apple/ca.pem --wake /run/wake
	printf 'push: { host = "localhost"; port = 2197; trust = "%s/ca.pem"; };\n' $apple >/etc/cordon/conf.d/10-apple.conf
}

sign() {
	bash /share/apple.sh sign $apple /etc/cordon/certs/push-*.csr /srv/MDM_Bed_Certificate.pem
	cp /srv/MDM_Bed_Certificate.pem /etc/cordon/certs/
}

enroll() {
	cordonctl enroll-link >/tmp/link
	"${device[@]}" --link "$(cat /tmp/link)" enroll
}

device-on() {
	systemd-run --quiet --unit fake-device "${device[@]}" --wake /run/wake run
	until [ -S /run/wake ]; do sleep 0.1; done
}

# ask N: as many questions at once to each socket; every one gets its answer
ask() {
	local n=$1 i pids=() pid
	for ((i = 0; i < n; i++)); do
		curl -s -S -o /dev/null -m 60 -w '%{http_code}\n' --unix-socket /run/cordon/gate.sock "http://gate/access?serial=C39BED" >"/tmp/gate.$i" &
		pids+=($!)
		curl -s -S -o /dev/null -m 60 -w '%{http_code}\n' --cacert /etc/cordon/certs/tls-ca.crt https://localhost/version >"/tmp/device.$i" &
		pids+=($!)
		sleep 0.01
	done
	cordonctl status --json >/dev/null || [ $? -eq 1 ]
	for pid in "${pids[@]}"; do wait "$pid" || true; done
	[ "$(cat /tmp/gate.* | sort | uniq -c | tr -s ' ')" = " $n 204" ] || { cat /tmp/gate.* | sort | uniq -c; return 1; }
	[ "$(cat /tmp/device.* | sort | uniq -c | tr -s ' ')" = " $n 200" ] || { cat /tmp/device.* | sort | uniq -c; return 1; }
	rm -f /tmp/gate.* /tmp/device.*
}

# The state directory becomes a small file system, and that a full one.
fill() {
	systemctl stop cordond 2>/dev/null
	cp -a /var/lib/cordon /srv/saved
	mount -t tmpfs -o size=$(($(du -sm /srv/saved | cut -f1) + 16))m,mode=700,uid="$(id -u cordon)",gid="$(id -g cordon)" small /var/lib/cordon
	cp -a /srv/saved/. /var/lib/cordon/
	systemctl reset-failed cordond 2>/dev/null || true # starts come in quick succession here
	systemctl start cordond
	dd if=/dev/zero of=/var/lib/cordon/ballast bs=64k 2>/dev/null || true
	# What is kept back for this case is used up by changes: profiles that wait for the device, ever smaller ones.
	systemctl stop fake-device
	printf 'queue: { limit = 10000; };\n' >/etc/cordon/conf.d/60-queue.conf
	systemctl reload cordond
	for size in 500000 50000 5000 500 50; do
		{
			printf '<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict><key>RequestType</key><string>InstallProfile</string>'
			printf '<key>Payload</key><data>'
			head -c $size /dev/urandom | base64
			printf '</data></dict></plist>'
		} >/tmp/profile.plist
		for _ in $(seq 190); do
			cordonctl send C39BED --file /tmp/profile.plist --no-push >/tmp/send 2>&1 || break
		done
		dd if=/dev/zero of=/var/lib/cordon/ballast bs=4k oflag=append conv=notrunc 2>/dev/null || true
	done
	for _ in $(seq 50); do
		cordonctl status | grep -q "takes no changes" && return
		cordonctl send C39BED --file /tmp/profile.plist --no-push >/tmp/send 2>&1 || sleep 0.2
	done
	cat /tmp/send
	df /var/lib/cordon
	ls -l /var/lib/cordon
	return 1
}

"$@"
