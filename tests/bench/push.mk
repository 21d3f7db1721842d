# pushes beside h2load, against the same server (tests/bench/push.py)
check_PROGRAMS += tests/bench/bench-push
tests_bench_bench_push_SOURCES = tests/bench/push.c
tests_bench_bench_push_LDADD = $(LIBS_OF_NET) $(SYSTEM_LIBS)
EXTRA_DIST += tests/bench/push.py
