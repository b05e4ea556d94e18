#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

enum { CLOCK_TEXT_SIZE = 32 };

/* Nanoseconds since 1970 (UTC, may jump) and since some start (never jumps).  Thread-safe. */
int64_t clock_real_ns(void);
int64_t clock_mono_ns(void);

/* The same, and it goes on while the machine sleeps: for expected about wall time. */
int64_t clock_boot_ns(void);

/* Milliseconds that have passed since clock_mono_ns() returned ${since_ns}. */
int64_t clock_since_ms(int64_t since_ns);

/* ${real_ns} as RFC 3339 UTC with milliseconds: 2026-11-23T09:12:33.123Z.  Returns ${text}. */
const char *clock_text(int64_t real_ns, char text[CLOCK_TEXT_SIZE]);

#endif
