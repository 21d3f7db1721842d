noinst_LIBRARIES += daemon/base/libbase.a
daemon_base_libbase_a_SOURCES = \
	daemon/base/buf.c \
	daemon/base/buf.h \
	daemon/base/clock.c \
	daemon/base/clock.h \
	daemon/base/digest.c \
	daemon/base/digest.h \
	daemon/base/duration.c \
	daemon/base/duration.h \
	daemon/base/encode.c \
	daemon/base/encode.h \
	daemon/base/event.c \
	daemon/base/event.h \
	daemon/base/file.c \
	daemon/base/file.h \
	daemon/base/log.c \
	daemon/base/log.h \
	daemon/base/mem.c \
	daemon/base/mem.h \
	daemon/base/proplist.c \
	daemon/base/proplist.h \
	daemon/base/seal.c \
	daemon/base/seal.h \
	daemon/base/state.c \
	daemon/base/state.h \
	daemon/base/table.c \
	daemon/base/table.h
