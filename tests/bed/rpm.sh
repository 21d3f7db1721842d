#!/usr/bin/env bash
# rpm.sh - the spec file builds, and its package has what the other one has
set -u
: "${CORDON_BUILD:?}" "${CORDON_SOURCE:?}"
# shellcheck source=tests/tap.sh
. "$CORDON_SOURCE/tests/tap.sh"
command -v rpmbuild >/dev/null || { echo "1..0 # SKIP rpmbuild is not here (package rpm)"; exit 0; }

build() {
	(
		flock 9 # make deb uses the same tarball
		# Without the optimiser: what is tested is the spec file.
		make -C "$CORDON_BUILD" rpm RPM_FLAGS="--nodeps --define 'optflags -O0'"
	) 9>"$CORDON_BUILD/deb.lock"
}
package() { ls "$CORDON_BUILD"/cordon-*.rpm; }
lists() { rpm -qp --qf "$1" "$(package)"; }

ok "make rpm builds a package" build
ok "programs, units, catalog, manuals and completion are in it" bash -c '
	for file in /usr/sbin/cordond /usr/bin/cordonctl /usr/bin/cordon-csr /usr/bin/cordon-ssc /usr/lib/systemd/system/cordond.service \
		/usr/lib/systemd/system/cordond.socket /usr/lib/systemd/system/cordon-tls-renew.timer /usr/lib/systemd/catalog/cordon.catalog \
		/usr/lib/sysusers.d/cordon.conf /usr/lib/tmpfiles.d/cordon.conf /usr/share/cordon/commands.tsv \
		/usr/share/bash-completion/completions/cordonctl /etc/cordon/cordond.conf /etc/cordon/conf.d; do
		grep -qxF "$file" <<<"$1" || { echo "not in it: $file"; exit 1; }
	done
	[ "$(grep -c /usr/share/man/ <<<"$1")" -eq 6 ]' bash "$(lists '[%{FILENAMES}\n]')"
ok "the configuration is kept when it was edited" grep -qx '/etc/cordon/cordond.conf 17' <<<"$(lists '[%{FILENAMES} %{FILEFLAGS}\n]')"
ok "keys are for root and cordon alone" grep -qx '/etc/cordon/certs 40750 root cordon' <<<"$(lists '[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME} %{FILEGROUPNAME}\n]')"
ok "its scripts are shell" bash -c 'for s in PREIN POSTIN PREUN POSTUN; do rpm -qp --qf "%{$s}" "$1" | sh -n || exit 1; done' bash "$(package)"
tap_end
