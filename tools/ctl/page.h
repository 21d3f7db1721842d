/* page.h - a JSON object as a page for people: a line each, what is nested indented below its name
 */
#ifndef CORDON_CTL_PAGE_H
#define CORDON_CTL_PAGE_H

#include <jansson.h>

/*
 * Prints the members: single values first, in columns, then what holds more.  What is null or empty
 * is left out.  Text from devices is made visible; on a terminal long values are broken between
 * words or begin a line of their own, and nothing is cut.
 */
void page_print(const json_t *object);

#endif
