noinst_LIBRARIES += daemon/policy/libpolicy.a
daemon_policy_libpolicy_a_SOURCES = \
	daemon/policy/expiry.c \
	daemon/policy/expiry.h \
	daemon/policy/gate.c \
	daemon/policy/gate.h \
	daemon/policy/inactivity.c \
	daemon/policy/inactivity.h \
	daemon/policy/lapse.c \
	daemon/policy/lapse.h \
	daemon/policy/refresh.c \
	daemon/policy/refresh.h \
	daemon/policy/renewal.c \
	daemon/policy/renewal.h \
	daemon/policy/states.c \
	daemon/policy/states.h
