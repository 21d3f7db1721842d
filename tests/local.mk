# Every test prints TAP; `make check` counts it, tests/run adds the builds with sanitizers.
LOG_DRIVER = env AM_TAP_AWK='$(AWK)' $(SHELL) $(top_srcdir)/build-aux/tap-driver.sh
TEST_EXTENSIONS = .sh .py
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = bash
PY_LOG_DRIVER = $(LOG_DRIVER)
PY_LOG_COMPILER = python3
AM_TESTS_ENVIRONMENT = \
	CMOCKA_MESSAGE_OUTPUT=TAP; export CMOCKA_MESSAGE_OUTPUT; \
	ASAN_OPTIONS=allow_user_segv_handler=0:detect_leaks=1:abort_on_error=0; export ASAN_OPTIONS; \
	UBSAN_OPTIONS=print_stacktrace=1; export UBSAN_OPTIONS; \
	CORDON_BUILD='$(abs_top_builddir)'; export CORDON_BUILD; \
	CORDON_SOURCE='$(abs_top_srcdir)'; export CORDON_SOURCE; \
	BENCH_SANITIZE='$(SANITIZE)'; export BENCH_SANITIZE; \
	PYTHONDONTWRITEBYTECODE=1; export PYTHONDONTWRITEBYTECODE; \
	CC='$(CC)'; export CC;

TEST_LIBS = $(LIBS_OF_DAEMON) $(CMOCKA_LIBS) $(SYSTEM_LIBS)

include tests/unit/base.mk
include tests/unit/pki.mk
include tests/unit/conf.mk
include tests/unit/policy.mk
include tests/unit/store.mk
include tests/unit/net.mk
include tests/unit/mdm.mk
include tests/unit/admin.mk
include tests/apns/local.mk
include tests/bench/push.mk
include tests/device/local.mk
include tests/system/local.mk
include tests/fuzz/local.mk
EXTRA_DIST += tests/run tests/tap.sh
include tests/bed/local.mk
include tests/bench/local.mk
