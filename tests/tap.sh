# tap.sh - sourced by tests in shell: runs commands and says as TAP what came of them
# shellcheck shell=bash
count=0 failed=0

ok() { # ok NAME COMMAND...: the command succeeds; what it says is shown when it does not
	local name=$1 out
	shift
	count=$((count + 1))
	if out=$("$@" 2>&1); then
		echo "ok $count - $name"
	else
		failed=$((failed + 1))
		printf '%s\n' "$out" | tail -n 25 | sed 's/^/# /'
		echo "not ok $count - $name"
	fi
}
tap_end() {
	echo "1..$count"
	exit $((failed > 0))
}
