#!/usr/bin/env bash
# ansible.sh - the role on a real systemd: from nothing to Connected, again without a change, reloads, refusals, check mode
set -u
# shellcheck source=tests/bed/bed.sh
. "$CORDON_SOURCE/tests/bed/bed.sh"
command -v ansible-playbook >/dev/null || leave_out "ansible-core is not here"
machine_up "$CORDON_SOURCE/etc/ansible"
cat >"$work/share/play.yml" <<'YML'
---
- name: A server in a machine
  hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: /usr/bin/python3
    lock_after: 7d
    drop_in: queue.limit = 100;
  roles:
    - role: cordon
      vars:
        cordon_deb: /share/cordon.deb
        cordon_organization: Example "Gemüse" Ltd
        cordon_server_name: localhost
        cordon_settings: |
          lock-after = "{{ lock_after }}";
        cordon_drop_ins:
          60-queue: "{{ drop_in }}"
        cordon_certificates: "{{ certificates | default([]) }}"
        cordon_gate_users: [nobody]
        cordon_sockets: "{{ sockets | default(false) }}"
        cordon_wait_connected: 60
YML
play() { # play ARGUMENT...: one run of the play; its recap is what ends it
	in_ "cd /share && ANSIBLE_ROLES_PATH=/share/ansible/roles ANSIBLE_NOCOLOR=1 ansible-playbook -i localhost, play.yml $*"
}
recap() { # recap PATTERN ARGUMENT...
	local pattern=$1 out
	shift
	out=$(play "$@" 2>&1)
	# shellcheck disable=SC2053 # a pattern
	[[ $(tail -n 3 <<<"$out") == *$pattern* ]] || { printf 'wanted: %s\n%s\n' "$pattern" "$out"; return 1; }
}
drop_in='{"drop_in":"queue: { limit = 100; };"}'

ok "check mode on a system without Cordon changes nothing and fails nothing" recap 'failed=0' --check --diff -e "'$drop_in'"
ok "... really nothing" in_ '! ls -d /etc/cordon /usr/sbin/cordond /var/cache/cordon.deb 2>/dev/null'
ok "the role installs and configures" recap 'failed=0' -e "'$drop_in'"
ok "... what the daemon says it has" soon '*MDM not configured: there is no SSC*' 'systemctl status cordond'
ok "... and whom the gate lets ask" has '*cordon-gate*' 'id nobody'
ok "SSC, push certificate and a fake Apple come by hand" in_ '/share/inside.sh apple && cordon-ssc new --common-name "Bed MDM" &&
	cordon-ssc tls localhost && cordon-csr new --common-name push --country CH --email it@example.org && /share/inside.sh sign'
ok "a second run changes nothing and finds push Connected" recap 'changed=0 *failed=0' -e "'$drop_in'"
started=$(in_ 'systemctl show -P MainPID cordond')
ok "another lock-after is one change and a reload" recap 'changed=2 *failed=0' -e lock_after=14d -e "'$drop_in'"
ok "... which the daemon has" soon '*changed: lock-after*' 'journalctl -u cordond -o cat'
ok "... without a restart" [ "$started" = "$(in_ 'systemctl show -P MainPID cordond')" ]
ok "check mode says what would change" has '*+lock-after = "30d";*' \
	"cd /share && ANSIBLE_ROLES_PATH=/share/ansible/roles ansible-playbook -i localhost, play.yml --check --diff -e lock_after=30d -e '$drop_in'"
ok "... and does not" in_ 'grep "14d" /etc/cordon/conf.d/10-site.conf'
ok "a template with a fault is refused" recap 'failed=1' -e lock_after=soon -e "'$drop_in'"
ok "... before it is in place" in_ 'grep "14d" /etc/cordon/conf.d/10-site.conf && cordond -t'
ok "... and so is a drop-in" recap 'failed=1' -e lock_after=14d -e "'{\"drop_in\":\"queue.limit = {\"}'"
ok "... while the daemon goes on" soon '*Status: "Push: Connected.*' 'systemctl status cordond'
in_ 'install -d /root/new && openssl req -x509 -newkey rsa:2048 -nodes -keyout /root/new/server.key -out /root/new/server.crt -days 90 \
	-subj /CN=localhost -addext subjectAltName=DNS:localhost -addext extendedKeyUsage=serverAuth' 2>/dev/null
certificates='{"certificates":[{"name":"server.crt","src":"/root/new/server.crt"},{"name":"server.key","src":"/root/new/server.key"}]}'
ok "certificates are placed" recap 'failed=0' -e lock_after=14d -e "'$drop_in'" -e "'$certificates'"
ok "... with the modes that keys need" has '*640 root:cordon*' 'stat -c "%a %U:%G" /etc/cordon/certs/server.key'
ok "... and are in use" in_ 'cmp <(openssl s_client -connect localhost:443 </dev/null 2>/dev/null | openssl x509) /root/new/server.crt'
ok "no key is in what Ansible shows" in_ "cd /share; rm /etc/cordon/certs/server.key; ! ANSIBLE_ROLES_PATH=/share/ansible/roles ansible-playbook -i localhost, play.yml --diff \
	-e lock_after=14d -e '$drop_in' -e '$certificates' -vv | grep 'PRIVATE KEY'"
ok "systemd takes the sockets over" recap 'failed=0' -e sockets=true -e lock_after=14d -e "'$drop_in'" -e "'$certificates'"
ok "... once" recap 'changed=0 *failed=0' -e sockets=true -e lock_after=14d -e "'$drop_in'" -e "'$certificates'"
tap_end
