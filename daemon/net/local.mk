noinst_LIBRARIES += daemon/net/libnet.a
daemon_net_libnet_a_SOURCES = \
	daemon/net/apns.c \
	daemon/net/apns.h \
	daemon/net/apns_conn.c \
	daemon/net/apns_conn.h \
	daemon/net/apns_h2.c \
	daemon/net/apns_h2.h \
	daemon/net/apns_item.c \
	daemon/net/apns_item.h \
	daemon/net/apns_resolve.c \
	daemon/net/apns_resolve.h \
	daemon/net/apns_words.c \
	daemon/net/apns_words.h \
	daemon/net/http.c \
	daemon/net/http.h \
	daemon/net/http_conn.c \
	daemon/net/http_int.h \
	daemon/net/http_parse.c \
	daemon/net/http_parse.h \
	daemon/net/http_reply.c \
	daemon/net/http_request.c \
	daemon/net/http_route.c \
	daemon/net/listen.c \
	daemon/net/listen.h \
	daemon/net/loop.c \
	daemon/net/loop.h \
	daemon/net/loop_log.c \
	daemon/net/loop_log.h \
	daemon/net/tls.c \
	daemon/net/tls.h \
	daemon/net/watch.c \
	daemon/net/watch.h \
	daemon/net/watch_walk.c \
	daemon/net/watch_walk.h \
	daemon/net/worker.c \
	daemon/net/worker.h
