/* post.c - HTTP requests by libcurl's multi interface, in a thread of its own */
#include "net/post.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"

#define POLL_MS 60000 /* a wake-up ends it earlier */

struct transfer {
	struct transfer *next;
	char *method, *url;
	struct curl_slist *headers;
	struct buf body;
	int64_t timeout_ms;
	size_t answer_max;
	void (*done)(void *arg, const struct post_answer *a);
	void *arg;
	CURL *easy;
	long status;
	char *type;
	struct buf answer;
	bool cut;
	char error[CURL_ERROR_SIZE];
};

struct poster {
	pthread_mutex_t lock; /* of the two lists and `stop` */
	pthread_t thread;
	struct transfer *incoming, *finished;
	struct transfer *running_now[POST_PARALLEL]; /* the thread's */
	CURLM *multi;
	struct loop_fd *readable;
	int fd;
	unsigned busy; /* the loop's own count */
	bool running, stop;
};

static void
transfer_free(struct transfer *t)
{
	if (t->easy)
		curl_easy_cleanup(t->easy);
	curl_slist_free_all(t->headers);
	buf_wipe(&t->body);
	buf_wipe(&t->answer);
	free(t->method);
	free(t->url);
	free(t->type);
	free(t);
}

static void
free_list(struct transfer *t)
{
	while (t) {
		struct transfer *next = t->next;

		transfer_free(t);
		t = next;
	}
}

/* ---- in the thread ---- */

static size_t
take(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * count, room = t->answer_max - t->answer.len;

	buf_add(&t->answer, data, len < room ? len : room);
	t->cut = t->cut || len > room;
	return t->cut ? 0 : len;
}

static bool
is_loopback(const struct sockaddr *a)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)a;
	const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)a;

	if (a->sa_family == AF_INET)
		return ntohl(four->sin_addr.s_addr) >> 24 == 127;
	return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
}

/* A name that the configuration took for loopback may resolve to anything. */
static curl_socket_t
open_loopback(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	(void)arg;
	if (purpose != CURLSOCKTYPE_IPCXN || !is_loopback(&a->addr))
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static bool
set_method(CURL *c, struct transfer *t)
{
	if (strcmp(t->method, "GET") == 0)
		return curl_easy_setopt(c, CURLOPT_HTTPGET, 1L) == CURLE_OK;
	return curl_easy_setopt(c, CURLOPT_POST, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, t->method) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.len) ==
		       CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_POSTFIELDS, buf_str(&t->body)) == CURLE_OK;
}

static bool
set_plain(CURL *c, const char *url)
{
	if (strncmp(url, "https:", 6) == 0)
		return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK;
	return curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_loopback) == CURLE_OK;
}

static bool
set_options(CURL *c, struct transfer *t)
{
	return set_method(c, t) && set_plain(c, t->url) &&
	       curl_easy_setopt(c, CURLOPT_URL, t->url) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, t->error) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)t->timeout_ms) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTPHEADER, t->headers) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_USERAGENT, "cordond") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, t) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PRIVATE, t) == CURLE_OK;
}

/* Gives it back to the loop. */
static void
finish(struct poster *p, struct transfer *t)
{
	pthread_mutex_lock(&p->lock);
	t->next = p->finished;
	p->finished = t;
	pthread_mutex_unlock(&p->lock);
	if (eventfd_write(p->fd, 1) < 0)
		log_error("the thread for requests cannot wake the loop: %m");
}

/* Where `t` stands among those under way; NULL stands where there is room. */
static struct transfer **
place(struct poster *p, const struct transfer *t)
{
	for (size_t i = 0; i < POST_PARALLEL; i++)
		if (p->running_now[i] == t)
			return &p->running_now[i];
	return NULL;
}

static void
begin(struct poster *p, struct transfer *t)
{
	struct transfer **room = place(p, NULL);

	t->easy = room ? curl_easy_init() : NULL;
	if (t->easy && set_options(t->easy, t) &&
		curl_multi_add_handle(p->multi, t->easy) == CURLM_OK) {
		*room = t;
		return;
	}
	snprintf(t->error, sizeof(t->error), "the request could not be set up");
	finish(p, t);
}

static void
ended(struct poster *p, CURL *easy, CURLcode rc)
{
	struct transfer *t = NULL;
	char *type = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	/* A long answer is an answer: what we do not want of it is not read. */
	if (rc == CURLE_OK || (rc == CURLE_WRITE_ERROR && t->cut)) {
		curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &t->status);
		curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
		t->type = type ? xstrdup(type) : NULL;
	} else if (!t->error[0]) {
		snprintf(t->error, sizeof(t->error), "%s", curl_easy_strerror(rc));
	}
	curl_multi_remove_handle(p->multi, easy);
	curl_easy_cleanup(easy);
	t->easy = NULL;
	*place(p, t) = NULL;
	ERR_clear_error();
	finish(p, t);
}

/* False: it is time to stop. */
static bool
take_incoming(struct poster *p)
{
	struct transfer *t, *next;
	bool stop;

	pthread_mutex_lock(&p->lock);
	t = p->incoming;
	p->incoming = NULL;
	stop = p->stop;
	pthread_mutex_unlock(&p->lock);
	for (; t; t = next) {
		next = t->next;
		if (stop)
			transfer_free(t);
		else
			begin(p, t);
	}
	return !stop;
}

static void *
run(void *arg)
{
	struct poster *p = arg;
	int running, left;
	CURLMsg *m;

	while (take_incoming(p)) {
		curl_multi_perform(p->multi, &running);
		while ((m = curl_multi_info_read(p->multi, &left)))
			if (m->msg == CURLMSG_DONE)
				ended(p, m->easy_handle, m->data.result);
		curl_multi_poll(p->multi, NULL, 0, POLL_MS, NULL);
	}
	return NULL;
}

/* ---- in the loop ---- */

static void
on_finished(void *arg, int fd)
{
	struct poster *p = arg;
	struct transfer *t, *next;
	eventfd_t n;

	if (eventfd_read(fd, &n) < 0)
		return;
	pthread_mutex_lock(&p->lock);
	t = p->finished;
	p->finished = NULL;
	pthread_mutex_unlock(&p->lock);
	for (; t; t = next) {
		struct post_answer a = { .status = t->status,
			.why = t->status ? NULL : t->error,
			.type = t->type,
			.body = buf_bytes(&t->answer),
			.cut = t->cut };

		next = t->next;
		p->busy--;
		t->done(t->arg, &a);
		transfer_free(t);
	}
}

static int
start_thread(struct poster *p, const char *name)
{
	sigset_t every, before;
	int r;

	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	r = pthread_create(&p->thread, NULL, run, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return -r;
	p->running = true;
	pthread_setname_np(p->thread, name);
	return 0;
}

struct poster *
poster_new(struct loop *l, const char *thread_name)
{
	struct poster *p = xcalloc(1, sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	p->multi = curl_multi_init();
	p->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->fd >= 0)
		p->readable = loop_fd_new(l, p->fd, on_finished, p);
	if (p->multi && p->readable && start_thread(p, thread_name) == 0)
		return p;
	poster_free(p);
	return NULL;
}

/* Cuts off what the thread left in its hands. */
static void
drop_running(struct poster *p)
{
	for (size_t i = 0; i < POST_PARALLEL; i++) {
		if (!p->running_now[i])
			continue;
		curl_multi_remove_handle(p->multi, p->running_now[i]->easy);
		transfer_free(p->running_now[i]);
	}
	curl_multi_cleanup(p->multi);
	p->multi = NULL;
}

void
poster_free(struct poster *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_mutex_unlock(&p->lock);
	if (p->running) {
		curl_multi_wakeup(p->multi);
		pthread_join(p->thread, NULL);
	}
	if (p->multi)
		drop_running(p);
	free_list(p->incoming);
	free_list(p->finished);
	loop_fd_free(p->readable);
	if (p->fd >= 0)
		close(p->fd);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

int
poster_send(struct poster *p, const struct post *post,
	void (*done)(void *arg, const struct post_answer *a), void *arg)
{
	struct transfer *t;

	if (p->busy >= POST_PARALLEL)
		return -EBUSY;
	t = xcalloc(1, sizeof(*t));
	t->method = xstrdup(post->method);
	t->url = xstrdup(post->url);
	for (size_t i = 0; post->headers && post->headers[i]; i++)
		t->headers = curl_slist_append(t->headers, post->headers[i]);
	t->headers = curl_slist_append(t->headers, "Expect:");
	buf_add_bytes(&t->body, post->body);
	t->timeout_ms = post->timeout_ms;
	t->answer_max = post->answer_max;
	t->done = done;
	t->arg = arg;
	p->busy++;
	pthread_mutex_lock(&p->lock);
	t->next = p->incoming;
	p->incoming = t;
	pthread_mutex_unlock(&p->lock);
	curl_multi_wakeup(p->multi);
	return 0;
}

unsigned
poster_busy(const struct poster *p)
{
	return p->busy;
}
