/* graph.h - every part of the running daemon, for the files of this folder alone */
#ifndef CORDON_GRAPH_H
#define CORDON_GRAPH_H

#include "admin/admin.h"
#include "base/seal.h"
#include "net/tls.h"
#include "net/watch.h"

struct scan;

struct graph {
	struct admin
		admin; /* first: the routes' context is its address, the graph's, and the mdm's */
	const char *conf_file;
	char *last_good;   /* file in the state directory */
	struct conf *boot; /* what the parts that cannot be reloaded were made from */
	struct loop *loop;
	struct seal *seal;
	struct tls_server *tls;
	unsigned char tls_sha256[SHA256_LEN];
	unsigned char tls_failed[SHA256_LEN]; /* what OpenSSL did not take, and that was said */
	bool tls_client;		      /* the snapshot asks for client certificates */
	struct watch *watch;
	struct certdir_cache *cache;
	struct scan *scan; /* runs now; NULL */
	bool scan_again;
	struct guard {
		unsigned char (*certs)[SHA256_LEN]; /* refused for their topic, and said so */
		size_t count;
	} guard;
	char *missing;	   /* what mdm_not_configured said last; NULL: nothing */
	char *faults_said; /* the configuration faults that the journal has */
	struct loop_timer *tick, *minute, *judge, *beat;
	int64_t beat_ms;
	bool stopping, systemd_device;
	int status; /* exit status */
};

/* start.c */
int graph_start(struct graph *g); /* 0, or a sysexits status after saying why */
void graph_stop(struct graph *g);
/* Opens the device listeners once there is a TLS pair for them. */
void graph_listen_devices(struct graph *g);
/* Puts the status line before the service manager. */
void graph_say_status(struct graph *g);

/* reload.c */
/* Once the store is open: is the first configuration's server-name one that devices know? */
void reload_check_name(struct graph *g);
/* Reads the configuration for the start; falls back to the last good one.  NULL after saying why.
 */
struct conf *reload_first_conf(struct graph *g);
void reload_keep_good(
	struct graph *g); /* keeps the first configuration, once the state directory is there */
void reload_judge_sealed(struct graph *g); /* counts what store.key does not open, and says it */
void reload_store_key(struct graph *g);	   /* the key that seals secrets, as soon as it is there */
void reload_look(void *arg);		   /* configuration and certificates anew; arg: the graph */
void reload_scan_now(struct graph *g);	   /* at start: scans and adopts before it returns */
void reload_watch(struct graph *g);	   /* the paths that matter now */
void reload_free(struct graph *g);

/* routes.c */
extern const struct http_route graph_routes[];
extern const size_t graph_route_count;

#endif
