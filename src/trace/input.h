/*
 * input.h - the bytes of a file, of standard input or of memory, unpacked on the way.
 *
 * Bytes are looked at where they lie (input_look), then passed over (input_pass). What goes wrong
 * below (a read, damaged compression) ends the input and is kept as `failure`.
 */
#ifndef MM_TRACE_INPUT_H
#define MM_TRACE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trace/codec.h"
#include "trace/hash.h"
#include "trace/trace.h"

#define INPUT_LINE_BYTES 4096u /* the longest line, with its end */

struct input {
    const char *name; /* in messages */
    int fd;           /* -1: memory */
    const unsigned char *memory;
    size_t memory_left;

    struct codec *codec; /* NULL: not packed */
    unsigned char *raw;  /* as they come */
    size_t raw_at, raw_end;
    bool raw_over; /* no more come */

    unsigned char *bytes; /* unpacked */
    size_t at, end;
    bool over;
    uint64_t position; /* of bytes[0] in all that was unpacked */
    uint64_t line;     /* that was taken last, from 1 */

    struct hash *hash; /* of all bytes passed over; NULL: nobody asks */
    size_t hashed;     /* bytes[] up to here are in it */
    char failure[TRACE_MESSAGE_BYTES];
};

bool input_open(struct input *ret_input, const char *path, struct trace_message *ret_message);
bool input_open_bytes(struct input *ret_input, const void *bytes, size_t length, const char *name,
                      struct trace_message *ret_message);
void input_close(struct input *input);

/* At least `want` bytes lie at input_at(), or all that are left; how many there are. */
size_t input_fill(struct input *input, size_t want);
static inline size_t input_look(struct input *input, size_t want)
{
    const size_t have = input->end - input->at;

    return have >= want ? have : input_fill(input, want);
}
static inline const unsigned char *input_at(const struct input *input)
{
    return input->bytes + input->at;
}
static inline void input_pass(struct input *input, size_t count)
{
    input->at += count;
}
static inline uint64_t input_position(const struct input *input)
{
    return input->position + input->at;
}

/* From here on, from the position on. */
void input_hash_begin(struct input *input, struct hash *hash);
uint64_t input_hash(struct input *input);

enum input_line { INPUT_LINE, INPUT_END, INPUT_LINE_LONG };
/* The next line without its end, a zero byte behind it; valid until the next call. */
enum input_line input_take_line(struct input *input, char **ret_line, size_t *ret_length);

#endif
