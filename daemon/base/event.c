/* event.c - the table of events */
#include <stddef.h>

#include "base/event.h"

#define EVENT_ROW(name, id, level, surveillance) [EV_##name] = { #name, id, level, surveillance },

static const struct {
	const char *name, *id;
	int level;
	bool surveillance;
} events[EVENT_COUNT] = { [EV_NONE] = { "", NULL, 6, false }, EVENT_LIST(EVENT_ROW) };

const char *
event_name(enum event ev)
{
	return events[ev].name;
}

const char *
event_id(enum event ev)
{
	return events[ev].id;
}

int
event_level(enum event ev)
{
	return events[ev].level;
}

bool
event_surveillance(enum event ev)
{
	return events[ev].surveillance;
}
