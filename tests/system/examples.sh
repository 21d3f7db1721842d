#!/usr/bin/env bash
# examples.sh - what lies in etc/ for others to use: scripts, units, alert rules, the Ansible role
set -u
cd "${CORDON_SOURCE:?}" || exit 1
count=0
tell() { # tell STATUS NAME [WHAT WAS SAID]
	count=$((count + 1))
	[ "$1" -eq 0 ] || printf '%s\n' "${3:-}" | sed 's/^/# /'
	[ "$1" -eq 0 ] && echo "ok $count - $2" || echo "not ok $count - $2"
}
# Programs that are not on every machine: a test says that it was left out.
with() { # with PROGRAM NAME COMMAND...
	local program=$1 name=$2 out
	shift 2
	if command -v "$program" >/dev/null; then
		out=$("$@" 2>&1)
		tell $? "$name" "$out"
	else
		tell 0 "$name # $program is not on this machine"
	fi
}

# --- alert rules: they parse, and ask for what the daemon exports ---
rules=etc/examples/prometheus-alerts.yml
with promtool "promtool accepts the alert rules" promtool check rules $rules
missing=$(grep -oE 'cordon_[a-z_]+' $rules | sort -u | while read -r name; do
	grep -q "\"$name\"" daemon/admin/metrics.c || echo "$name"
done)
[ -z "$missing" ]
tell $? "every metric in them is one that the daemon exports" "$missing"

# --- scripts ---
mapfile -t scripts < <(find packaging tests tools -name "*.sh" | sort)
with shellcheck "shellcheck is content with every script" shellcheck -x -S warning etc/examples/certbot-deploy-hook \
	packaging/debian/cordon.postrm tests/run tools/quickstart "${scripts[@]}"

# --- the certbot hook: the right lineage, owner and modes; nothing for another one ---
hook() {
	local etc lineage
	etc=$(mktemp -d) && lineage=$(mktemp -d) || return 1
	mkdir -p "$etc/certs" "$etc/conf.d"
	echo 'server-name = "mdm.example.com:8443";' >"$etc/cordond.conf"
	echo chain >"$lineage/fullchain.pem"
	echo key >"$lineage/privkey.pem"
	# There is no group cordon where Cordon is not installed.
	printf '#!/bin/sh\necho "$@" >>%s/chgrp\n' "$etc" >"$etc/chgrp.sh"
	mkdir "$etc/bin" && install -m 755 "$etc/chgrp.sh" "$etc/bin/chgrp"
	PATH=$etc/bin:$PATH CORDON_ETC=$etc RENEWED_LINEAGE=$lineage RENEWED_DOMAINS="www.example.com" etc/examples/certbot-deploy-hook || return 1
	[ -z "$(ls -A "$etc/certs")" ] || { echo "took another site's certificate"; return 1; }
	PATH=$etc/bin:$PATH CORDON_ETC=$etc RENEWED_LINEAGE=$lineage RENEWED_DOMAINS="www.example.com mdm.example.com" \
		etc/examples/certbot-deploy-hook || return 1
	ls -lA "$etc/certs"
	cat "$etc/chgrp"
	[ "$(stat -c %a "$etc/certs/server.key" "$etc/certs/server.crt" | tr '\n' ' ')" = "640 640 " ] &&
		[ "$(cat "$etc/certs/server.key" "$etc/certs/server.crt" | tr '\n' ' ')" = "key chain " ] &&
		[ "$(find "$etc/certs" -type f | wc -l)" -eq 2 ] && [ "$(grep -c '^cordon ' "$etc/chgrp")" -eq 2 ]
	local status=$?
	rm -rf "$etc" "$lineage"
	return $status
}
out=$(hook 2>&1)
tell $? "the certbot hook places key and chain of the server's name, and of no other" "$out"

# --- Ansible ---
with ansible-playbook "the playbook parses" env HOME="${TMPDIR:-/tmp}" ansible-playbook -i mdm, --syntax-check etc/ansible/playbook.yml
with ansible-lint "ansible-lint is content" env HOME="${TMPDIR:-/tmp}" ansible-lint --offline etc/ansible/playbook.yml
echo "1..$count"
