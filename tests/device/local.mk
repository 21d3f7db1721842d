# tests/device: a device that speaks Apple's protocol, for the system tests; no code of the daemon
check_PROGRAMS += tests/device/fake-device
tests_device_fake_device_SOURCES = \
	tests/device/answer.c tests/device/answer.h \
	tests/device/ddm.c tests/device/ddm.h \
	tests/device/device.c tests/device/device.h \
	tests/device/enroll.c tests/device/enroll.h \
	tests/device/facts.c tests/device/facts.h \
	tests/device/fleet.c tests/device/fleet.h \
	tests/device/http.c tests/device/http.h \
	tests/device/install.c tests/device/install.h \
	tests/device/inventory.c tests/device/inventory.h \
	tests/device/keypool.c tests/device/keypool.h \
	tests/device/main.c \
	tests/device/message.c tests/device/message.h \
	tests/device/meter.c tests/device/meter.h \
	tests/device/options.c tests/device/options.h \
	tests/device/outcome.c tests/device/outcome.h \
	tests/device/pkimessage.c tests/device/pkimessage.h \
	tests/device/profile.c tests/device/profile.h \
	tests/device/prop.c tests/device/prop.h \
	tests/device/request.c tests/device/request.h \
	tests/device/run.c tests/device/run.h \
	tests/device/scep.c tests/device/scep.h \
	tests/device/schema.c tests/device/schema.h \
	tests/device/session.c tests/device/session.h \
	tests/device/sign.c tests/device/sign.h \
	tests/device/step.c tests/device/step.h \
	tests/device/stop.c tests/device/stop.h \
	tests/device/trust.c tests/device/trust.h \
	tests/device/util.c tests/device/util.h \
	tests/device/waker.c tests/device/waker.h
tests_device_fake_device_LDADD = $(OPENSSL_LIBS) $(LIBPLIST_LIBS) $(LIBCURL_LIBS) $(JANSSON_LIBS) \
	-lpthread
EXTRA_DIST += tests/device/standin.py tests/device/selftest.py
if SYSTEM_TESTS
TESTS += tests/device/selftest.py
endif
