/* journal.c - the thread that carries log records to journald or stderr */
#include "admin/journal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define STOP_PATIENCE_S 2

struct entry {
	struct entry *next;
	struct buf datagram; /* native protocol, when there is a journal */
	int level;	     /* for stderr */
	char *message;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	struct entry *head, **tail;
	unsigned waiting;
	uint64_t dropped, dropped_said;
	bool running, stop, native;
	int fd;
	struct sockaddr_un address;
} journal = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	if (!stream || sscanf(stream, "%llu:%llu", &device, &inode) != 2 || fstat(2, &st) < 0)
		return false;
	return st.st_dev == (dev_t)device && st.st_ino == (ino_t)inode;
}

/* KEY=value, or for values with a newline KEY, length as 64-bit little endian, value. */
static void
add_field(struct buf *b, const char *name, const char *value)
{
	size_t len = strlen(value);

	buf_add_str(b, name);
	if (memchr(value, '\n', len)) {
		buf_add_char(b, '\n');
		for (unsigned i = 0; i < 8; i++)
			buf_add_u8(b, (uint8_t)((uint64_t)len >> (8 * i)));
	} else {
		buf_add_char(b, '=');
	}
	buf_add(b, value, len);
	buf_add_char(b, '\n');
}

static struct entry *
make_entry(const struct log_record *r)
{
	struct entry *e = xcalloc(1, sizeof(*e));
	char level[2] = { (char)('0' + (r->level & 7)), 0 };

	e->level = r->level;
	if (!journal.native) {
		e->message = xstrdup(r->message);
		return e;
	}
	add_field(&e->datagram, "PRIORITY", level);
	add_field(&e->datagram, "SYSLOG_IDENTIFIER", "cordond");
	if (r->event != EV_NONE) {
		add_field(&e->datagram, "MESSAGE_ID", event_id(r->event));
		add_field(&e->datagram, "CORDON_EVENT", event_name(r->event));
		if (event_surveillance(r->event))
			add_field(&e->datagram, "CORDON_LOG", "surveillance");
	}
	for (const struct log_field *f = r->fields; f && f->name; f++)
		if (f->value)
			add_field(&e->datagram, f->name, f->value);
	add_field(&e->datagram, "MESSAGE", r->message);
	return e;
}

static void
entry_free(struct entry *e)
{
	buf_free(&e->datagram);
	free(e->message);
	free(e);
}

static void
enqueue(const struct log_record *r)
{
	struct entry *e = NULL;
	int saved = errno;

	pthread_mutex_lock(&journal.lock);
	if (journal.waiting >= JOURNAL_QUEUE_MAX) {
		journal.dropped++;
	} else {
		e = make_entry(r);
		*journal.tail = e;
		journal.tail = &e->next;
		journal.waiting++;
		pthread_cond_signal(&journal.wake);
	}
	pthread_mutex_unlock(&journal.lock);
	errno = saved;
}

static void
carry(const struct entry *e)
{
	struct log_record plain = { .level = e->level, .message = e->message };

	if (!journal.native) {
		log_to_stderr(&plain);
		return;
	}
	/* A journald that is being restarted loses a line; it must not stop us. */
	(void)sendto(journal.fd, e->datagram.data, e->datagram.len, MSG_NOSIGNAL,
		(const struct sockaddr *)&journal.address, sizeof(journal.address));
}

static void
say_dropped(uint64_t count)
{
	char text[96];
	struct log_record r = { .level = 4, .message = text };
	struct entry *e;

	snprintf(text, sizeof(text), "%llu log lines were dropped: the journal did not keep up",
		(unsigned long long)count);
	e = make_entry(&r);
	carry(e);
	entry_free(e);
}

static void *
run(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&journal.lock);
	for (;;) {
		struct entry *e = journal.head;
		uint64_t lost;

		if (!e) {
			if (journal.stop)
				break;
			pthread_cond_wait(&journal.wake, &journal.lock);
			continue;
		}
		journal.head = e->next;
		if (!journal.head)
			journal.tail = &journal.head;
		journal.waiting--;
		lost = journal.waiting ? 0 : journal.dropped - journal.dropped_said;
		journal.dropped_said += lost;
		pthread_mutex_unlock(&journal.lock);
		carry(e);
		entry_free(e);
		if (lost)
			say_dropped(lost);
		pthread_mutex_lock(&journal.lock);
	}
	pthread_mutex_unlock(&journal.lock);
	return NULL;
}

static int
open_socket(const char *path)
{
	struct timeval patience = { .tv_sec = STOP_PATIENCE_S };

	if (strlen(path) >= sizeof(journal.address.sun_path))
		return -ENAMETOOLONG;
	journal.address.sun_family = AF_UNIX;
	strcpy(journal.address.sun_path, path);
	journal.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (journal.fd < 0)
		return -errno;
	/* A dead reader must not keep the thread for ever, or stopping would hang. */
	setsockopt(journal.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return 0;
}

int
journal_start(const char *socket_path)
{
	sigset_t all, before;
	int err = 0;

	if (journal.running)
		return 0;
	journal.native = socket_path || stderr_is_journal();
	if (journal.native)
		err = open_socket(socket_path ? socket_path : JOURNAL_SOCKET);
	if (err < 0)
		return err;
	journal.head = NULL;
	journal.tail = &journal.head;
	journal.waiting = 0;
	journal.stop = false;
	pthread_cond_init(&journal.wake, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&journal.thread, NULL, run, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err == 0) {
		journal.running = true;
		log_set_sink(enqueue);
	}
	return err;
}

void
journal_stop(void)
{
	if (!journal.running)
		return;
	log_set_sink(NULL);
	pthread_mutex_lock(&journal.lock);
	journal.stop = true;
	pthread_cond_signal(&journal.wake);
	pthread_mutex_unlock(&journal.lock);
	pthread_join(journal.thread, NULL);
	if (journal.fd >= 0)
		close(journal.fd);
	journal.fd = -1;
	journal.running = false;
}

uint64_t
journal_dropped(void)
{
	uint64_t n;

	pthread_mutex_lock(&journal.lock);
	n = journal.dropped;
	pthread_mutex_unlock(&journal.lock);
	return n;
}
