/*
 * input.c - bytes from a file, from standard input or from memory, unpacked on the way.
 */
#include "trace/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RAW_BYTES   (64u << 10)
#define BYTES_BYTES (256u << 10)
#define MAGIC_BYTES 4

static bool refuse(struct trace_message *ret_message, const char *name, const char *why)
{
    snprintf(ret_message->text, sizeof(ret_message->text), "%.200s: %s", name, why);
    return false;
}

/* Whatever goes wrong, nothing more comes. */
static void fail(struct input *input, const char *why)
{
    if (input->failure[0] == '\0') {
        snprintf(input->failure, sizeof(input->failure), "%.200s: byte %llu: %s", input->name,
                 (unsigned long long)(input->position + input->end), why);
    }
    input->over = true;
}

/* ---- as they come --------------------------------------------------------------------------- */

static void raw_read(struct input *input, unsigned char *to, size_t room, size_t *ret_count)
{
    ssize_t count;

    *ret_count = 0;
    if (input->fd < 0) {
        *ret_count = room < input->memory_left ? room : input->memory_left;
        if (*ret_count > 0) {
            memcpy(to, input->memory, *ret_count);
        }
        input->memory += *ret_count;
        input->memory_left -= *ret_count;
        input->raw_over = input->memory_left == 0;
        return;
    }
    do {
        count = read(input->fd, to, room);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        fail(input, strerror(errno));
    }
    input->raw_over = count <= 0;
    *ret_count = count > 0 ? (size_t)count : 0;
}

/* So many bytes are in raw[], or all. */
static void raw_fill(struct input *input, size_t want)
{
    if (input->raw_at == input->raw_end) {
        input->raw_at = input->raw_end = 0;
    }
    while (input->raw_end - input->raw_at < want && !input->raw_over) {
        size_t count;
        raw_read(input, input->raw + input->raw_end, RAW_BYTES - input->raw_end, &count);
        input->raw_end += count;
    }
}

/* ---- unpacked ------------------------------------------------------------------------------- */

static size_t plain_more(struct input *input, unsigned char *to, size_t room)
{
    size_t count = input->raw_end - input->raw_at;

    if (count > 0) { /* what was looked at to find the packing */
        count = count < room ? count : room;
        memcpy(to, input->raw + input->raw_at, count);
        input->raw_at += count;
        return count;
    }
    if (!input->raw_over) {
        raw_read(input, to, room, &count);
    }
    input->over = input->over || count == 0;
    return count;
}

static size_t packed_more(struct input *input, unsigned char *to, size_t room)
{
    while (!input->over) {
        raw_fill(input, 1);
        struct codec_sides sides = {input->raw + input->raw_at, input->raw_end - input->raw_at, to,
                                    room};
        const bool empty = sides.in_count == 0;

        if (!input->codec->step(input->codec, &sides, input->raw_over)) {
            fail(input, "the compressed data are damaged");
            return 0;
        }
        input->raw_at = input->raw_end - sides.in_count;
        if (sides.out_count < room) {
            return room - sides.out_count;
        }
        if (empty) {
            if (!input->codec->whole) {
                fail(input, "the compressed data end too early");
            }
            input->over = true;
        }
    }
    return 0;
}

static void hash_passed(struct input *input)
{
    if (input->hash != NULL) {
        hash_add(input->hash, input->bytes + input->hashed, input->at - input->hashed);
        input->hashed = input->at;
    }
}

size_t input_fill(struct input *input, size_t want)
{
    hash_passed(input);
    memmove(input->bytes, input->bytes + input->at, input->end - input->at);
    input->position += input->at;
    input->end -= input->at;
    input->at = input->hashed = 0;
    while (input->end < want && !input->over) {
        unsigned char *to = input->bytes + input->end;
        const size_t room = BYTES_BYTES - input->end;
        input->end += input->codec ? packed_more(input, to, room) : plain_more(input, to, room);
    }
    return input->end;
}

void input_hash_begin(struct input *input, struct hash *hash)
{
    input->hash = hash;
    input->hashed = input->at;
}

uint64_t input_hash(struct input *input)
{
    hash_passed(input);
    return hash_sum(input->hash);
}

/* ---- lines ---------------------------------------------------------------------------------- */

enum input_line input_take_line(struct input *input, char **ret_line, size_t *ret_length)
{
    size_t have = input_look(input, 1), length;
    const unsigned char *line = input_at(input), *end;

    if (have == 0) {
        return INPUT_END;
    }
    input->line++;
    end = memchr(line, '\n', have < INPUT_LINE_BYTES ? have : INPUT_LINE_BYTES);
    if (end == NULL && have < INPUT_LINE_BYTES) {
        have = input_look(input, INPUT_LINE_BYTES);
        line = input_at(input);
        end = memchr(line, '\n', have < INPUT_LINE_BYTES ? have : INPUT_LINE_BYTES);
    }
    if (end == NULL && have >= INPUT_LINE_BYTES) {
        return INPUT_LINE_LONG;
    }
    length = end != NULL ? (size_t)(end - line) : have;
    *ret_line = (char *)input->bytes + input->at;
    input_pass(input, length + (end != NULL));
    hash_passed(input); /* before the line's end is gone */
    if (length > 0 && (*ret_line)[length - 1] == '\r') {
        length--;
    }
    (*ret_line)[length] = '\0'; /* where its end was; there is room behind the last byte */
    *ret_length = length;
    return INPUT_LINE;
}

/* ---- open and close ------------------------------------------------------------------------- */

static bool codec_find(struct input *input, struct trace_message *ret_message)
{
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    const unsigned char *raw = input->raw;
    const char *packer, *library;

    raw_fill(input, MAGIC_BYTES);
    if (input->failure[0] != '\0') {
        memcpy(ret_message->text, input->failure, sizeof(ret_message->text));
        return false;
    }
    if (input->raw_end >= sizeof(gzip) && memcmp(raw, gzip, sizeof(gzip)) == 0) {
        packer = "gzip", library = "zlib";
        input->codec = gzip_unpacker();
    } else if (input->raw_end >= sizeof(zstd) && memcmp(raw, zstd, sizeof(zstd)) == 0) {
        packer = "zstd", library = "libzstd";
        input->codec = zstd_unpacker();
    } else {
        return true;
    }
    if (input->codec == NULL) {
        char why[128];
        snprintf(why, sizeof(why),
                 errno == ENOTSUP
                     ? "is packed with %s, and this memman was built without %s; unpack "
                       "it first"
                     : "cannot be unpacked: no memory for %s (%s)",
                 packer, library);
        return refuse(ret_message, input->name, why);
    }
    return true;
}

static bool begin(struct input *input, struct trace_message *ret_message)
{
    input->raw = malloc(RAW_BYTES);
    input->bytes = malloc(BYTES_BYTES + 1);
    if (input->raw == NULL || input->bytes == NULL) {
        refuse(ret_message, input->name, strerror(ENOMEM));
    } else if (codec_find(input, ret_message)) {
        return true;
    }
    input_close(input);
    return false;
}

bool input_open(struct input *ret_input, const char *path, struct trace_message *ret_message)
{
    const bool standard = strcmp(path, "-") == 0;

    *ret_input = (struct input){.name = standard ? "standard input" : path};
    ret_input->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (ret_input->fd < 0) {
        return refuse(ret_message, path, strerror(errno));
    }
    return begin(ret_input, ret_message);
}

bool input_open_bytes(struct input *ret_input, const void *bytes, size_t length, const char *name,
                      struct trace_message *ret_message)
{
    *ret_input = (struct input){
        .name = name, .fd = -1, .memory = bytes, .memory_left = length, .raw_over = length == 0};
    return begin(ret_input, ret_message);
}

void input_close(struct input *input)
{
    if (input->codec != NULL) {
        input->codec->close(input->codec);
    }
    if (input->fd > STDIN_FILENO) {
        close(input->fd);
    }
    hash_free(input->hash);
    free(input->raw);
    free(input->bytes);
}
