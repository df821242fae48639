/*
 * probe.h - static probes (USDT), where perf, bpftrace and SystemTap can look at what the
 * engine does.
 *
 * A probe is one nop, and a note in the library's section .note.stapsdt that says where its
 * arguments are; whoever traces puts a breakpoint in its place. docs/probes.md lists them, and
 * a test compares that list with the notes. The simulator's engine has none, nor has a build
 * without sys/sdt.h.
 */
#ifndef MM_BASE_PROBE_H
#define MM_BASE_PROBE_H

#ifdef MM_PROBES
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
/* PROBE(name, argument...): whole numbers that are at hand; nothing is computed for a probe. */
#define PROBE(...) STAP_PROBEV(memman, __VA_ARGS__)
#else
static inline void probe_ignore(int none, ...)
{
    (void)none;
}
#define PROBE(name, ...)                                                                           \
    do {                                                                                           \
        if (0) {                                                                                   \
            probe_ignore(0, __VA_ARGS__);                                                          \
        }                                                                                          \
    } while (0)
#endif

#endif
