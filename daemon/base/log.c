/* log.c - records from any thread to whoever carries them */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"

static _Atomic(log_sink) sink;
static _Atomic(const char *) name = "cordond";
static atomic_int level_max = LOG_INFO;

/* Written by one thread, and called in it only; others may look whether there is one. */
static struct {
	_Atomic(log_observer) see;
	void *arg;
	_Atomic(pthread_t) thread;
} observer;

void
log_set_observer(log_observer see, void *arg)
{
	observer.thread = pthread_self();
	observer.arg = arg;
	observer.see = see;
}

void
log_set_sink(log_sink to)
{
	atomic_store(&sink, to);
}

void
log_set_name(const char *program)
{
	atomic_store(&name, program);
}

void
log_set_level(int level)
{
	atomic_store(&level_max, level);
}

/* systemd names device and inode of the stream it reads; a redirected stderr is another one. */
static bool
systemd_reads_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

void
log_to_stderr(const struct log_record *record)
{
	struct buf line = BUF_INIT;
	size_t done = 0;
	ssize_t n;

	if (systemd_reads_stderr())
		buf_printf(&line, "<%d>%s\n", record->level, record->message);
	else
		buf_printf(&line, "%s: %s\n", atomic_load(&name), record->message);
	/* one write a line, so that lines of threads do not mix */
	while (done < line.len) {
		n = write(STDERR_FILENO, line.data + done, line.len - done);
		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	buf_free(&line);
}

static char *
visible(const char *text)
{
	struct buf out = BUF_INIT;

	encode_visible(&out, bytes_str(text));
	return buf_steal_str(&out);
}

/* The fields that have a value, cleaned; ended by a name of NULL.  Values are owned. */
static struct log_field *
clean_fields(const struct log_field *fields)
{
	struct log_field *clean;
	size_t count = 0, kept = 0, i;

	while (fields && fields[count].name)
		count++;
	clean = xcalloc(count + 1, sizeof(*clean));
	for (i = 0; i < count; i++) {
		if (!fields[i].value)
			continue;
		clean[kept++] = (struct log_field){ fields[i].name, visible(fields[i].value) };
	}
	return clean;
}

__attribute__((format(printf, 4, 0))) static void
say(int level, enum event ev, const struct log_field *fields, const char *fmt, va_list ap)
{
	int saved = errno;
	log_sink carry = atomic_load(&sink);
	log_observer see = observer.see;
	struct log_record record = { level, ev, NULL, NULL };
	struct log_field *clean;
	char *raw = NULL, *message;
	size_t i;

	if (level > atomic_load(&level_max))
		return;
	if (vasprintf(&raw, fmt, ap) < 0)
		raw = xstrdup("a message that could not be formatted");
	message = visible(raw);
	clean = clean_fields(fields);
	record.message = message;
	record.fields = clean;
	if (ev != EV_NONE && see && pthread_equal(observer.thread, pthread_self()))
		see(observer.arg, &record);
	(carry ? carry : log_to_stderr)(&record);
	for (i = 0; clean[i].name; i++)
		free((char *)(uintptr_t)clean[i].value);
	free(clean);
	free(message);
	free(raw);
	errno = saved;
}

void
log_event(enum event ev, const struct log_field *fields, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(event_level(ev), ev, fields, fmt, ap);
	va_end(ap);
}

void
log_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_ERR, EV_NONE, NULL, fmt, ap);
	va_end(ap);
}

void
log_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_WARNING, EV_NONE, NULL, fmt, ap);
	va_end(ap);
}

void
log_info(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_INFO, EV_NONE, NULL, fmt, ap);
	va_end(ap);
}

void
log_debug(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(LOG_DEBUG, EV_NONE, NULL, fmt, ap);
	va_end(ap);
}

/* `next_ms` is when the next token arrives; 0 before the first use, when all tokens are there. */
static void
refill(struct log_budget *b, int64_t mono_ms)
{
	int64_t step = (int64_t)(b->every_s ? b->every_s : 1) * 1000, earned;

	if (b->next_ms == 0) {
		b->have = b->burst;
		b->next_ms = mono_ms + step;
	}
	if (mono_ms < b->next_ms)
		return;
	earned = (mono_ms - b->next_ms) / step + 1;
	b->next_ms += earned * step;
	b->have = earned > (int64_t)(b->burst - b->have) ? b->burst : b->have + (unsigned)earned;
}

int
log_allowed(struct log_budget *b, int64_t mono_ms, unsigned *suppressed)
{
	refill(b, mono_ms);
	if (b->have == 0) {
		b->swallowed++;
		return 0;
	}
	b->have--;
	if (suppressed)
		*suppressed = b->swallowed;
	b->swallowed = 0;
	return 1;
}
