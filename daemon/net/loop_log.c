/* loop_log.c - libevent's own words, carried to our log */
#include "net/loop_log.h"
#include "base/log.h"

void
loop_log(enum loop_log_level level, const char *text)
{
	switch (level) {
	case LOOP_LOG_ERROR:
		log_error("libevent: %s", text);
		break;
	case LOOP_LOG_WARN:
		log_warn("libevent: %s", text);
		break;
	case LOOP_LOG_DEBUG:
		log_debug("libevent: %s", text);
		break;
	}
}
