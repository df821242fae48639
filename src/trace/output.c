/*
 * output.c - bytes into a file or standard output, packed on the way.
 */
#include "trace/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void bytes_write(struct output *output, const unsigned char *bytes, size_t count)
{
    while (count > 0 && output->failure == 0) {
        const ssize_t written = write(output->fd, bytes, count);

        if (written >= 0) {
            bytes += written;
            count -= (size_t)written;
        } else if (errno != EINTR) {
            output->failure = errno;
        }
    }
}

static void bytes_pack(struct output *output, bool last)
{
    struct codec_sides sides = {.in = output->bytes, .in_count = output->count};

    do {
        sides.out = output->packed;
        sides.out_count = OUTPUT_BYTES;
        if (!output->codec->step(output->codec, &sides, last)) {
            output->failure = ENOMEM;
            return;
        }
        bytes_write(output, output->packed, OUTPUT_BYTES - sides.out_count);
    } while (output->failure == 0 && (sides.in_count > 0 || (last && !output->codec->whole)));
}

static void bytes_hash(struct output *output)
{
    if (output->hash != NULL) {
        hash_add(output->hash, output->bytes + output->hashed, output->count - output->hashed);
        output->hashed = output->count;
    }
}

uint64_t output_hash(struct output *output)
{
    bytes_hash(output);
    return hash_sum(output->hash);
}

static void bytes_flush(struct output *output, bool last)
{
    bytes_hash(output);
    if (output->failure == 0) {
        if (output->codec != NULL) {
            bytes_pack(output, last);
        } else {
            bytes_write(output, output->bytes, output->count);
        }
    }
    output->count = output->hashed = 0;
}

unsigned char *output_room(struct output *output, size_t count)
{
    if (OUTPUT_BYTES - output->count < count) {
        bytes_flush(output, false);
    }
    return output->bytes + output->count;
}

/* ---- open and close ------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end)
{
    const size_t length = strlen(text), end_length = strlen(end);

    return length >= end_length && strcmp(text + length - end_length, end) == 0;
}

static bool codec_choose(struct output *output, struct trace_message *ret_message)
{
    const bool gzip = ends_in(output->name, ".gz"), zstd = ends_in(output->name, ".zst");

    if (!gzip && !zstd) {
        return true;
    }
    output->codec = gzip ? gzip_packer() : zstd_packer();
    if (output->codec == NULL) {
        snprintf(ret_message->text, sizeof(ret_message->text),
                 errno == ENOTSUP ? "%.200s: this memman was built without %s; give a name without "
                                    "this ending"
                                  : "%.200s: no memory for %s",
                 output->name, gzip ? "zlib" : "libzstd");
    }
    return output->codec != NULL;
}

static void output_free(struct output *output)
{
    if (output->codec != NULL) {
        output->codec->close(output->codec);
    }
    hash_free(output->hash);
    free(output->bytes);
    free(output->packed);
    free(output->part);
}

/* -1 and errno. */
static int file_open(struct output *output, const char *path)
{
    struct stat found;

    if (strcmp(path, "-") == 0) {
        return dup(STDOUT_FILENO);
    }
    if (lstat(path, &found) == 0 && !S_ISREG(found.st_mode)) {
        return open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    }
    if (asprintf(&output->part, "%s.%d.part", path, (int)getpid()) < 0) {
        output->part = NULL;
        errno = ENOMEM;
        return -1;
    }
    return open(output->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

bool output_open(struct output *ret_output, const char *path, bool hashed,
                 struct trace_message *ret_message)
{
    struct output *output = ret_output;

    *output = (struct output){.name = path, .fd = -1};
    output->bytes = malloc(OUTPUT_BYTES);
    output->packed = malloc(OUTPUT_BYTES);
    output->hash = hashed ? hash_new() : NULL;
    if (output->bytes == NULL || output->packed == NULL || (hashed && output->hash == NULL)) {
        snprintf(ret_message->text, sizeof(ret_message->text), "%.200s: no memory", path);
    } else if (codec_choose(output, ret_message)) {
        output->fd = file_open(output, path);
        if (output->fd >= 0) {
            return true;
        }
        snprintf(ret_message->text, sizeof(ret_message->text),
                 "%.200s: cannot be written (%s); give another file", path, strerror(errno));
    }
    output_free(output);
    return false;
}

bool output_finish(struct output *output, struct trace_message *ret_message)
{
    bytes_flush(output, true);
    if (close(output->fd) != 0 && output->failure == 0) {
        output->failure = errno;
    }
    if (output->part != NULL) {
        if (output->failure == 0 && rename(output->part, output->name) != 0) {
            output->failure = errno;
        }
        if (output->failure != 0) {
            unlink(output->part);
        }
    }
    output_free(output);
    if (output->failure != 0) {
        snprintf(ret_message->text, sizeof(ret_message->text), "%.200s: cannot be written (%s)",
                 output->name, strerror(output->failure));
    }
    return output->failure == 0;
}

void output_abandon(struct output *output)
{
    close(output->fd);
    if (output->part != NULL) {
        unlink(output->part);
    }
    output_free(output);
}
