/* wrap.h - lines for people: broken between words at the terminal's width, with a hanging indent */
#ifndef CORDON_CTL_WRAP_H
#define CORDON_CTL_WRAP_H

/*
 * Prints one line, and a newline.  On a terminal that is narrower, what follows a break begins
 * `indent` columns in; a word that is longer than a line stands on lines of its own.  Anywhere else
 * the line stays whole.  Escapes of table.h take no room.
 */
void wrap_line(unsigned indent, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
