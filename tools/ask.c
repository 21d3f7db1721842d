/* ask.c - what is asked on a terminal: missing fields of a subject */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool
ask_possible(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* One line without the blanks around it; NULL when it is empty.  0, or -ENODATA. */
static int
ask_line(const char *question, char **ret)
{
	char *line = NULL, *start;
	size_t cap = 0, n;
	ssize_t len;

	fprintf(stderr, "%s: ", question);
	fflush(stderr);
	len = getline(&line, &cap, stdin);
	if (len < 0) {
		free(line);
		fputc('\n', stderr);
		return -ENODATA;
	}
	start = line + strspn(line, " \t\r\n");
	n = strlen(start);
	while (n > 0 && strchr(" \t\r\n", start[n - 1]))
		n--;
	*ret = n ? strndup(start, n) : NULL;
	free(line);
	return 0;
}

/* Asks for one field until it is well. */
static int
ask_field(struct subject *s, char **field, const char *question, bool required)
{
	const char *fault;
	int r;

	for (;;) {
		r = ask_line(question, field);
		if (r < 0)
			return r;
		fault = *field ? subject_fault(s) : NULL;
		if (!fault && (*field || !required))
			return 0;
		fprintf(stderr, "%s\n", fault ? fault : "It is needed.");
		free(*field);
		*field = NULL;
	}
}

int
ask_subject(struct subject *s, const char *what_the_name_is, bool contact)
{
	int r = 0;

	if (!s->common_name)
		r = ask_field(s, &s->common_name, what_the_name_is, true);
	if (r == 0 && contact && !s->country)
		r = ask_field(s, &s->country, "Country, two letters (Enter: none)", false);
	if (r == 0 && contact && !s->email)
		r = ask_field(s, &s->email, "E-mail address (Enter: none)", false);
	return r;
}
