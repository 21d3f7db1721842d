noinst_LIBRARIES += daemon/store/libstore.a
daemon_store_libstore_a_SOURCES = \
	daemon/store/delivery.c \
	daemon/store/delivery.h \
	daemon/store/enrollment.c \
	daemon/store/enrollment.h \
	daemon/store/identity.c \
	daemon/store/identity.h \
	daemon/store/link.c \
	daemon/store/link.h \
	daemon/store/meta.c \
	daemon/store/meta.h \
	daemon/store/queue.c \
	daemon/store/queue.h \
	daemon/store/record.c \
	daemon/store/record.h \
	daemon/store/result.c \
	daemon/store/result.h \
	daemon/store/roster.c \
	daemon/store/roster.h \
	daemon/store/store.c \
	daemon/store/store.h
