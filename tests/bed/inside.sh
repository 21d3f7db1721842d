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

# A successor of the push certificate, as from Renew at Apple's portal, that lasts for $1 days.
short() {
	local cert=/etc/cordon/certs/MDM_Bed_Certificate.pem topic
	topic=$(openssl x509 -in $cert -noout -subject -nameopt multiline | sed -n 's/^ *userId *= //p')
	bash /share/apple.sh sign $apple /etc/cordon/certs/push-*.csr $cert "$topic" "$1"
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

# The state directory moves to a small file system ...
small() {
	systemctl stop cordond
	rmdir /disk/lost+found
	cp -a /var/lib/cordon/. /disk/
	chown cordon:cordon /disk
	chmod 700 /disk
	mount --bind /disk /var/lib/cordon
	systemctl reset-failed cordond 2>/dev/null || true # starts come in quick succession here
	systemctl start cordond
}

# ... that something else fills.
crowd() {
	dd if=/dev/zero of=/disk/ballast bs=1M 2>/dev/null || true
	dd if=/dev/zero of=/disk/ballast bs=4k oflag=append conv=notrunc 2>/dev/null || true
	df /disk | tail -n 1
}

# What is kept back for that case is used up by changes: commands that wait for the device.
use-up() {
	systemctl stop fake-device 2>/dev/null || true
	printf 'queue: { limit = 10000; };\n' >/etc/cordon/conf.d/60-queue.conf
	systemctl reload cordond
	python3 - "$1" <<'PY'
import base64, http.client, os, plistlib, socket, sys

class Control(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/cordon/control.sock")

c = Control("control", timeout=60)
taken = 0
while taken < 10000:
    command = plistlib.dumps({"Command": {"RequestType": "InstallProfile", "Payload": os.urandom(5500)},
                              "CommandUUID": "use-up-%d" % taken})
    c.request("PUT", "/v1/enqueue/%s?nopush=1" % sys.argv[1], command)
    r = c.getresponse()
    answer = r.read()
    if r.status != 200:
        break
    taken += 1
print(taken, "commands were taken from the reserve, then:", r.status, answer.decode())
# At least one segment of the log was ready.
sys.exit(not (taken > 500 and r.status == 503))
PY
}

"$@"
