#!/usr/bin/env bash
# layers.sh - holds daemon/LAYERS against the includes: state never sees a socket, policy never sees a clock
set -u
cd "${CORDON_SOURCE:?}" || exit 1
echo "1..4"

declare -A may
while IFS=: read -r folder rest; do
	[[ $folder = \#* || -z $folder ]] || may[$folder]=" $folder$rest "
done <daemon/LAYERS

folder_of() { # the layer that a file belongs to
	case $1 in
	daemon/*/*) f=${1#daemon/}; echo "${f%%/*}" ;;
	daemon/*) echo daemon ;;
	tools/*) echo tools ;;
	esac
}

bad=0
while IFS=: read -r file _ include; do
	from=$(folder_of "$file")
	to=${include%%/*}
	[[ -v may[$to] ]] || continue
	[[ ${may[$from]} = *" $to "* ]] && continue
	echo "# $file includes $include: $from may include only${may[$from]}"
	bad=1
done < <(grep -rnoE '^#include "[a-z_]+/[^"]+"' daemon tools --include='*.[ch]' | sed -E 's/#include "([^"]+)"/\1/')
[ $bad -eq 0 ] && echo "ok 1 - every include keeps to the layers" || echo "not ok 1 - every include keeps to the layers"

clock=$(grep -nE '\b(time|clock_gettime|gettimeofday|clock_wall|clock_mono_ms)\(' daemon/policy/*.c)
[ -z "$clock" ] && echo "ok 2 - policy sees no clock" || { echo "# $clock"; echo "not ok 2 - policy sees no clock"; }

sockets=$(grep -lE '<sys/socket.h>|<event2/|<nghttp2/' daemon/base/*.[ch] daemon/pki/*.[ch] daemon/conf/*.[ch] daemon/policy/*.[ch] daemon/store/*.[ch] 2>/dev/null)
[ -z "$sockets" ] && echo "ok 3 - below net nothing sees a socket" || { echo "# $sockets"; echo "not ok 3 - below net nothing sees a socket"; }

# Each header stands by itself.
bad=0
for h in daemon/*/*.h daemon/*.h; do
	# shellcheck disable=SC2046 # flags are words
	out=$(${CC:-cc} -std=gnu11 -D_GNU_SOURCE -Idaemon -I"${CORDON_BUILD:?}" \
		$(pkg-config --cflags libplist-2.0 libevent openssl jansson libnghttp2) -fsyntax-only -x c "$h" 2>&1) ||
		{ bad=1; printf '# %s\n' "$h" "$out"; }
done
[ $bad -eq 0 ] && echo "ok 4 - every header stands by itself" || echo "not ok 4 - every header stands by itself"
