# tests/fuzz: one program for each parser that strangers reach.  `make check` replays seeds; `make fuzz` builds them with
# clang and libFuzzer and runs each for FUZZ_SECONDS.
FUZZ_KIT = tests/fuzz/kit.c tests/fuzz/fuzz.h tests/fuzz/replay.c
FUZZ_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests $(FUZZ_DEFINES)
FUZZ_LIBS = $(LIBS_OF_DAEMON) $(SYSTEM_LIBS)
FUZZ_LINK = $(AM_LDFLAGS) $(FUZZ_ENGINE)

check_PROGRAMS += tests/fuzz/fuzz_http
tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz_http.c $(FUZZ_KIT)
tests_fuzz_fuzz_http_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_http_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_LDADD = $(FUZZ_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_message
tests_fuzz_fuzz_message_SOURCES = tests/fuzz/fuzz_message.c $(FUZZ_KIT)
tests_fuzz_fuzz_message_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_message_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_message_LDADD = $(FUZZ_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c $(FUZZ_KIT)
tests_fuzz_fuzz_conf_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_conf_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_conf_LDADD = $(FUZZ_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_certfile
tests_fuzz_fuzz_certfile_SOURCES = tests/fuzz/fuzz_certfile.c $(FUZZ_KIT)
tests_fuzz_fuzz_certfile_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_certfile_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_certfile_LDADD = $(FUZZ_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_signature
tests_fuzz_fuzz_signature_SOURCES = tests/fuzz/fuzz_signature.c $(FUZZ_KIT)
tests_fuzz_fuzz_signature_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_signature_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_signature_LDADD = $(FUZZ_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_apns
tests_fuzz_fuzz_apns_SOURCES = tests/fuzz/fuzz_apns.c $(FUZZ_KIT)
tests_fuzz_fuzz_apns_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_apns_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_apns_LDADD = $(FUZZ_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_json
tests_fuzz_fuzz_json_SOURCES = tests/fuzz/fuzz_json.c $(FUZZ_KIT)
tests_fuzz_fuzz_json_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_json_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_json_LDADD = $(FUZZ_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_log
tests_fuzz_fuzz_log_SOURCES = tests/fuzz/fuzz_log.c $(FUZZ_KIT)
tests_fuzz_fuzz_log_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_log_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_log_LDADD = $(FUZZ_LIBS)

check_PROGRAMS += tests/fuzz/fuzz_scep
tests_fuzz_fuzz_scep_SOURCES = tests/fuzz/fuzz_scep.c $(FUZZ_KIT)
tests_fuzz_fuzz_scep_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_scep_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_scep_LDADD = $(FUZZ_LIBS)

TESTS += tests/fuzz/replay.py
EXTRA_DIST += tests/fuzz/replay.py tests/fuzz/seeds.py tests/fuzz/run.sh

.PHONY: fuzz
fuzz:
	CORDON_SOURCE='$(abs_top_srcdir)' bash $(top_srcdir)/tests/fuzz/run.sh '$(abs_top_builddir)/fuzz'
