#!/usr/bin/env bash
# run.sh DIR - builds the fuzz targets in DIR with clang and libFuzzer, and runs one after the other
#
# FUZZ_SECONDS (60) for each; FUZZ_TARGETS: only these.  Corpora stay in DIR/corpus, findings in DIR/findings.
set -eu
source=$(readlink -f "${CORDON_SOURCE:-.}")
mkdir -p "$1" && cd "$1"
[ -f Makefile ] || "$source/configure" CC="${FUZZ_CC:-clang}" --enable-fuzzing CFLAGS="-g -O1" >configure.log
# shellcheck disable=SC2012 # names are ours
targets=${FUZZ_TARGETS:-$(ls "$source"/tests/fuzz/fuzz_*.c | sed 's/.*fuzz_\(.*\)\.c/\1/')}
for t in $targets; do make -s "tests/fuzz/fuzz_$t"; done
CORDON_SOURCE=$source python3 "$source/tests/fuzz/seeds.py" "$PWD/seeds"
mkdir -p findings
export CORDON_SCHEMA=$source/etc/apple-schema/commands.tsv
bad=0
for t in $targets; do
	mkdir -p "corpus/$t"
	dictionary=()
	[ ! -f "seeds/$t.dict" ] || dictionary=("-dict=seeds/$t.dict")
	nice -n 19 "tests/fuzz/fuzz_$t" -max_total_time="${FUZZ_SECONDS:-60}" -max_len=65536 -timeout=20 -print_final_stats=1 \
		"${dictionary[@]}" -artifact_prefix="findings/$t-" "corpus/$t" "seeds/$t" >"$t.log" 2>&1 || bad=1
	printf '%-10s %s; %s\n' "$t" "$(grep -aoE 'cov: [0-9]+ ft: [0-9]+' "$t.log" | tail -n 1)" \
		"$(grep -aE 'number_of_executed_units|SUMMARY' "$t.log" | tr -s '\n' ' ')"
done
exit $bad
