#!/usr/bin/env bash
# manuals.sh - the manuals name every key, verb and option that the programs have, and are well-formed
set -u
cd "${CORDON_SOURCE:?}" || exit 1
echo "1..4"
tell() { [ "$2" -eq 0 ] && echo "ok $1 - $3" || echo "not ok $1 - $3"; }

# The sample is held against the table by a unit test; the manual is held against the sample here.
missing=0 group=
while read -r line; do
	case $line in
	'#'*': {') group=${line#\#}; group=${group%%:*}. ;;
	'#};') group= ;;
	'#'[a-z]*' = '*)
		key=$group${line#\#}; key=${key%% = *}
		grep -q "^\.It Cm $key " man/cordond.conf.5 || { echo "# $key"; missing=1; } ;;
	esac
done < <(sed 's/^[[:space:]]*//' etc/cordond.conf)
tell 1 $missing "every configuration key is in cordond.conf(5)"

missing=0
while read -r verb; do
	grep -qE "^\.It Cm $verb( |$)" man/cordonctl.1 || { echo "# $verb"; missing=1; }
done < <("${CORDON_BUILD:?}/cordonctl" --help | sed -nE 's/^  ([a-z][a-z-]*)( .*)?$/\1/p')
tell 2 $missing "every verb of cordonctl is in cordonctl(1)"

if command -v mandoc >/dev/null; then
	out=$(mandoc -Tlint -Wwarning man/*.? tools/*.1 2>&1)
	sed 's/^/# /' <<<"$out"
	[ -z "$out" ]
	tell 3 $? "mandoc finds nothing in the manuals"
else
	echo "ok 3 - mandoc finds nothing in the manuals # mandoc is not on this machine"
fi

fields=$({ grep -oE '"CORDON_[A-Z]+"' daemon/base/log.h; grep -oE 'add_field\([^"]*"CORDON_[A-Z]+"' daemon/admin/journal.c; } | grep -oE 'CORDON_[A-Z]+' | sort -u)
documented=$(grep -E '^\.It Li CORDON_' man/cordond.8 | grep -oE 'CORDON_[A-Z]+' | sort -u)
diff <(echo "$fields") <(echo "$documented") | sed 's/^/# /'
[ -n "$fields" ] && [ "$fields" = "$documented" ]
tell 4 $? "every field of the journal is in cordond(8)"
