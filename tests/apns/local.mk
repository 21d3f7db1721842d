# The fake APNs: shares no code with the daemon.
noinst_PROGRAMS += tests/apns/fake-apns
tests_apns_fake_apns_SOURCES = \
	tests/apns/fake-apns.c \
	tests/apns/fake.h \
	tests/apns/fake_conn.c \
	tests/apns/fake_control.c \
	tests/apns/fake_judge.c \
	tests/apns/fake_note.c
tests_apns_fake_apns_LDADD = $(LIBEVENT_LIBS) $(NGHTTP2_LIBS) $(JANSSON_LIBS) $(OPENSSL_LIBS)
