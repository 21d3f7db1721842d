/* ask.c - what is asked on a terminal: missing fields of a subject */
#include "ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
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

bool
ask_yes(void)
{
	char *answer = NULL;
	bool ret;

	ret = ask_line("Type yes to go on", &answer) == 0 && answer && strcmp(answer, "yes") == 0;
	free(answer);
	return ret;
}

/* A byte at a time: what is read ahead would stay in a buffer that nobody cleanses. */
static int
read_secret_line(struct buf *ret)
{
	ssize_t n;
	char c = 0;

	while ((n = read(STDIN_FILENO, &c, 1)) != 0) {
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n < 0)
			continue;
		if (c == '\n')
			return 0;
		buf_add_char(ret, c);
	}
	return -ENODATA;
}

int
ask_password(const char *question, struct buf *ret)
{
	struct termios before, silent;
	int r;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return -errno;
	buf_reserve(ret, 1024); /* a password that is moved while it grows leaves copies */
	silent = before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	/* Silence first: what is typed ahead must not be seen. */
	if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) < 0)
		return -errno;
	fprintf(stderr, "%s: ", question);
	fflush(stderr);
	r = read_secret_line(ret);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return r;
}
