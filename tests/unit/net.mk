# unit tests of daemon/net
LIBS_OF_NET = daemon/net/libnet.a daemon/pki/libpki.a daemon/base/libbase.a

# Resolving is wrapped: no test may ask a name server.
check_PROGRAMS += tests/unit/test_apns
tests_unit_test_apns_SOURCES = tests/unit/test_apns.c tests/unit/apns_kit.c tests/unit/apns_kit.h
tests_unit_test_apns_LDADD = $(LIBS_OF_NET) $(CMOCKA_LIBS) $(SYSTEM_LIBS)
tests_unit_test_apns_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=getaddrinfo
TESTS += tests/unit/test_apns
