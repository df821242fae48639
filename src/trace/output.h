/*
 * output.h - bytes into a file or standard output, packed on the way.
 *
 * A file has another name, PATH.PID.part, until all of it is there: what stood at PATH before stays
 * as long as nothing whole can take its place, and may be read meanwhile.
 */
#ifndef MM_TRACE_OUTPUT_H
#define MM_TRACE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/codec.h"
#include "trace/hash.h"
#include "trace/trace.h"

#define OUTPUT_BYTES 65536u

struct output {
    const char *name;
    int fd;
    char *part; /* the name until the end; NULL: standard output, a device or the like */
    struct codec *codec;
    unsigned char *bytes, *packed;
    size_t count;
    struct hash *hash; /* of all bytes so far; NULL: nobody asks */
    size_t hashed;     /* bytes[] up to here are in it */
    int failure;       /* errno of the first write that failed */
};

/* Packed where the path ends in .gz or .zst. */
/* With `hashed`, output_hash() is there. */
bool output_open(struct output *ret_output, const char *path, bool hashed,
                 struct trace_message *ret_message);
/* Room for so many bytes (at most OUTPUT_BYTES) at the place where they go. */
unsigned char *output_room(struct output *output, size_t count);
static inline void output_pass(struct output *output, size_t count)
{
    output->count += count;
}
/* Of all bytes so far. */
uint64_t output_hash(struct output *output);
/* Everything out and closed. False, with the reason: it is not all there. */
bool output_finish(struct output *output, struct trace_message *ret_message);
/* Closed; of a file nothing is left. */
void output_abandon(struct output *output);

#endif
