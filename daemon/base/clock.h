/* clock.h - the two clocks; the only places that read them are here and in the loop */
#ifndef CORDON_BASE_CLOCK_H
#define CORDON_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

int64_t clock_wall(void); /* seconds since 1970; may jump */
int64_t clock_wall_ms(void);
int64_t clock_mono_ms(void); /* milliseconds, never jumps; zero is arbitrary */
int64_t clock_mono_us(void);
int64_t clock_cpu_us(void); /* what this thread has used of a processor */
/*
 * False: nothing keeps this machine's wall clock in step with the world's, by the kernel's word or,
 * in a service that may not ask the kernel, by systemd-timesyncd's.  True also where neither can
 * tell.
 */
bool clock_synchronised(void);
/* "2026-11-24T06:01:44Z"; returns out (21 bytes or more). 0 gives "". */
char *clock_iso(int64_t wall, char *out, size_t size);
/* "2026-11-24 06:01" in local time, for tables. */
char *clock_local(int64_t wall, char *out, size_t size);
/* "2026-11-24" in UTC. */
char *clock_date(int64_t wall, char *out, size_t size);

#endif
