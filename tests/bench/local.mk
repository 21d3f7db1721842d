# tests/bench: measurements, each beside its limit or peer (`make bench`); the programs are built by `make check`, too
check_PROGRAMS += tests/bench/bench-store
tests_bench_bench_store_SOURCES = tests/bench/store.c
tests_bench_bench_store_LDADD = $(LIBS_OF_DAEMON) $(SYSTEM_LIBS)
tests_bench_bench_store_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fdatasync,--wrap=fsync
check_PROGRAMS += tests/bench/bench-load
tests_bench_bench_load_SOURCES = tests/bench/load.c tests/bench/load.h \
	tests/bench/load_checkin.c tests/bench/load_cycle.c tests/bench/load_poll.c tests/bench/load_wake.c \
	tests/bench/speaker.c tests/bench/speaker.h tests/bench/wire.c tests/bench/wire.h \
	tests/device/util.c tests/device/util.h tests/device/waker.c tests/device/waker.h
tests_bench_bench_load_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests
tests_bench_bench_load_LDADD = $(OPENSSL_LIBS) $(JANSSON_LIBS) -lpthread
EXTRA_DIST += tests/bench/bench.py tests/bench/plant.py tests/bench/rows.py \
	tests/bench/smoke.py tests/bench/smoke_more.py
if SYSTEM_TESTS
TESTS += tests/bench/smoke.py tests/bench/smoke_more.py
endif

# BENCH_ROWS, BENCH_SCALE, BENCH_RUNS, BENCH_JSON: tests/bench/bench.py
PARTS_OF_BENCH = cordond cordonctl cordon-csr cordon-ssc tests/apns/fake-apns tests/device/fake-device \
	tests/bench/bench-store tests/bench/bench-load tests/bench/bench-push
BENCH_ENVIRONMENT = CORDON_BUILD='$(abs_top_builddir)' CORDON_SOURCE='$(abs_top_srcdir)' PYTHONDONTWRITEBYTECODE=1 \
	BENCH_CC='$(CC)' BENCH_CFLAGS='$(CFLAGS)' BENCH_SANITIZE='$(SANITIZE)'
bench: $(PARTS_OF_BENCH)
	$(BENCH_ENVIRONMENT) python3 $(srcdir)/tests/bench/bench.py
.PHONY: bench
CLEANFILES += bench.json
