#!/usr/bin/env bash
# catalog.sh - every event has its catalog entry, and every entry its event
set -u
cd "${CORDON_SOURCE:?}" || exit 1
echo "1..4"
events=$(grep -oE '^\s*X\([A-Z_]+, *"[0-9a-f]{32}"' daemon/base/event.h | grep -oE '[0-9a-f]{32}' | sort)
entries=$(grep -oE '^-- [0-9a-f]{32}' systemd/cordon.catalog | cut -c4- | sort)
tell() { [ "$2" -eq 0 ] && echo "ok $1 - $3" || echo "not ok $1 - $3"; }

diff <(echo "$events") <(echo "$entries") | sed 's/^/# /'
[ -n "$events" ] && [ "$events" = "$entries" ]
tell 1 $? "events and catalog entries are the same"
[ -z "$(uniq -d <<<"$events")" ]
tell 2 $? "no id is used twice"
# An entry says more than its subject.
awk '/^-- /{if (id && lines < 1) {print "# " id " has no text"; bad = 1} id = $2; lines = 0; body = 0; next}
	/^$/{body = 1; next} body{lines++} END{exit bad || lines < 1}' systemd/cordon.catalog
tell 3 $? "every entry has a text"
if command -v journalctl >/dev/null; then
	db=$(mktemp -d)
	mkdir -p "$db/usr/lib/systemd/catalog" "$db/var/lib/systemd/catalog"
	cp systemd/cordon.catalog "$db/usr/lib/systemd/catalog/"
	journalctl --root="$db" --update-catalog >"$db/log" 2>&1 &&
		journalctl --root="$db" --list-catalog 2>>"$db/log" | grep -c . | grep -qx "$(wc -l <<<"$events")"
	status=$?
	[ $status -eq 0 ] || sed 's/^/# /' "$db/log"
	tell 4 $status "journalctl compiles the catalog"
	rm -rf "$db"
else
	echo "ok 4 - journalctl compiles the catalog # not on this machine"
fi
