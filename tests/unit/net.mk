# unit tests of daemon/net
LIBS_OF_NET = daemon/net/libnet.a daemon/pki/libpki.a daemon/base/libbase.a

check_PROGRAMS += tests/unit/test_http_parse
tests_unit_test_http_parse_SOURCES = tests/unit/test_http_parse.c
tests_unit_test_http_parse_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_http_parse

check_PROGRAMS += tests/unit/test_http
tests_unit_test_http_SOURCES = tests/unit/test_http.c tests/unit/http_bed.c tests/unit/http_bed.h \
	tests/unit/net_fixture.c tests/unit/net_fixture.h
tests_unit_test_http_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_http

check_PROGRAMS += tests/unit/test_watch
tests_unit_test_watch_SOURCES = tests/unit/test_watch.c
tests_unit_test_watch_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_watch

check_PROGRAMS += tests/unit/test_worker
tests_unit_test_worker_SOURCES = tests/unit/test_worker.c
tests_unit_test_worker_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_worker

check_PROGRAMS += tests/unit/test_loop
tests_unit_test_loop_SOURCES = tests/unit/test_loop.c
tests_unit_test_loop_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_loop

check_PROGRAMS += tests/unit/test_listen
tests_unit_test_listen_SOURCES = tests/unit/test_listen.c
tests_unit_test_listen_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_listen

check_PROGRAMS += tests/unit/test_tls
tests_unit_test_tls_SOURCES = tests/unit/test_tls.c tests/unit/net_fixture.c tests/unit/net_fixture.h
tests_unit_test_tls_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_tls

APNS_KIT = tests/unit/apns_kit.c tests/unit/apns_kit.h tests/unit/apns_client.c tests/unit/apns_client.h

# Resolving is wrapped: no test may ask a name server.
check_PROGRAMS += tests/unit/test_apns
tests_unit_test_apns_SOURCES = tests/unit/test_apns.c $(APNS_KIT)
tests_unit_test_apns_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
tests_unit_test_apns_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=getaddrinfo,--wrap=loop_timer_set
TESTS += tests/unit/test_apns

check_PROGRAMS += tests/unit/test_apns_h2
tests_unit_test_apns_h2_SOURCES = tests/unit/test_apns_h2.c
tests_unit_test_apns_h2_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_apns_h2

check_PROGRAMS += tests/unit/test_apns_burst
tests_unit_test_apns_burst_SOURCES = tests/unit/test_apns_burst.c $(APNS_KIT)
tests_unit_test_apns_burst_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_apns_burst

check_PROGRAMS += tests/unit/test_http_limits
tests_unit_test_http_limits_SOURCES = tests/unit/test_http_limits.c tests/unit/http_bed.c \
	tests/unit/http_bed.h tests/unit/net_fixture.c tests/unit/net_fixture.h
tests_unit_test_http_limits_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_http_limits

check_PROGRAMS += tests/unit/test_proxy
tests_unit_test_proxy_SOURCES = tests/unit/test_proxy.c
tests_unit_test_proxy_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
TESTS += tests/unit/test_proxy
