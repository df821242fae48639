/*
 * trace_test.c - every format is read, every refusal names its place, what is written reads back.
 */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"
#include "trace/page_map.h"
#include "trace/trace.h"

#define REFERENCES_MAX 20000u

struct read {
    struct trace_header header;
    size_t count;
    uint64_t accesses;
    struct trace_reference references[REFERENCES_MAX];
    char failure[TRACE_MESSAGE_BYTES]; /* of opening or of reading */
};

/* Two at a time, so that an access of several pages is cut in two. */
static struct read *take(struct trace *trace)
{
    struct read *read = test_malloc(sizeof(*read));
    size_t count;

    read->header = *trace_header(trace);
    read->count = 0;
    do {
        assert_true(read->count + 2 <= REFERENCES_MAX);
        count = trace_read(trace, read->references + read->count, 2);
        read->count += count;
    } while (count == 2);
    assert_int_equal(trace_read(trace, read->references, 1), 0);
    read->accesses = trace_accesses(trace);
    snprintf(read->failure, sizeof(read->failure), "%s",
             trace_failure(trace) ? trace_failure(trace) : "");
    trace_close(trace);
    return read;
}

static struct read *take_bytes(const void *bytes, size_t length,
                               const struct trace_options *options)
{
    struct trace_message message = {""};
    struct trace *trace = trace_open_bytes(bytes, length, "t", options, &message);

    if (trace == NULL) {
        struct read *read = test_calloc(1, sizeof(*read));
        memcpy(read->failure, message.text, sizeof(read->failure));
        assert_string_not_equal(read->failure, "");
        return read;
    }
    return take(trace);
}

static struct read *take_text(const char *text, const struct trace_options *options)
{
    return take_bytes(text, strlen(text), options);
}

/* ---- texts ---------------------------------------------------------------------------------- */

struct good {
    const char *text;
    enum trace_format format; /* found by itself */
    const char *references;   /* "PAGE/THREAD" or "PAGE/THREADw", in decimal */
};

static const struct good good[] = {
    {"==1== Lackey\n--1-- warning\n\nI  04000c60,3\n L 1000,8\n S 2fff,2\n M 5000,4\n",
     TRACE_LACKEY, "1/0 2/0w 3/0w 5/0w "},
    {"# made by hand\n1000 R\n0x2000 w\n3abc R 7\n", TRACE_ADDRESS, "1/0 2/0w 3/7 "},
    {"0 1000\n1 2000\n2 3000\r\n0 4000 and more\n", TRACE_DIN, "1/0 2/0w 4/0 "},
    {"l 0x1ff8 16\ns 3000 4096\nL 4001 4096", TRACE_LS, "1/0 2/0 3/0w 4/0 5/0 "},
    {"17\n18446744073709551615\n17\n", TRACE_TXT, "17/0 18446744073709551615/0 17/0 "},
    {"time,obj_id,obj_size\n1,5,4096\n2,6,4096\n", TRACE_CSV, "5/0 6/0 "},
    {"1, 5 ,4096\n2,6\n", TRACE_CSV, "5/0 6/0 "},
};

static void references_print(const struct read *read, char *text, size_t bytes)
{
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; i < read->count; i++) {
        length +=
            (size_t)snprintf(text + length, bytes - length, "%llu/%u%s ",
                             (unsigned long long)read->references[i].page,
                             read->references[i].thread, read->references[i].write ? "w" : "");
    }
}

static void texts_are_read(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct read *read = take_text(good[i].text, NULL);
        char found[512];

        assert_string_equal(read->failure, "");
        assert_string_equal(trace_format_name(read->header.format),
                            trace_format_name(good[i].format));
        references_print(read, found, sizeof(found));
        assert_string_equal(found, good[i].references);
        test_free(read);
    }
}

static void options_are_kept(void **state)
{
    const struct trace_options code = {.format = TRACE_GUESS, .code = true};
    const struct trace_options large = {.format = TRACE_LS, .page_bytes = 65536};
    const struct trace_options column = {.format = TRACE_CSV, .column = 3};
    char found[512];
    struct read *read = take_text(good[0].text, &code);

    (void)state;
    references_print(read, found, sizeof(found));
    assert_string_equal(found, "16384/0 1/0 2/0w 3/0w 5/0w ");
    test_free(read);
    read = take_text("l 1fff8 16\n", &large);
    references_print(read, found, sizeof(found));
    assert_string_equal(found, "1/0 2/0 ");
    assert_int_equal(read->header.page_bytes, 65536);
    test_free(read);
    read = take_text("1,2,3\n", &column);
    references_print(read, found, sizeof(found));
    assert_string_equal(found, "3/0 ");
    test_free(read);
}

struct bad {
    const char *text;
    enum trace_format format; /* TRACE_GUESS: by itself */
    const char *failure;
    size_t count; /* good references before */
};

static const struct bad bad[] = {
    {"", TRACE_GUESS, "t: is empty; name its format if it is one", 0},
    {"hello\n", TRACE_GUESS,
     "t: looks like no trace that is known here; name its format if it is one", 0},
    {"1000 R\n\nxyz R\n", TRACE_GUESS,
     "t:3: xyz R: a line of address is 'ADDRESS R|W' or 'ADDRESS R|W THREAD'", 1},
    {"1000 R\n1000 X\n", TRACE_GUESS,
     "t:2: 1000 X: a line of address is 'ADDRESS R|W' or 'ADDRESS R|W THREAD'", 1},
    {"1000 R 65536\n", TRACE_GUESS, "t:1: thread 65536; they are below 65536", 0},
    {"10000000000000000 R\n", TRACE_ADDRESS,
     "t:1: 10000000000000000 R: a line of address is 'ADDRESS R|W' or 'ADDRESS R|W THREAD'", 0},
    {" L 1000,8\n L 1000;8\n", TRACE_GUESS,
     "t:2:  L 1000;8: a line of lackey is ' L|S|M ADDRESS,BYTES' or 'I  ADDRESS,BYTES'", 1},
    {"0 1000\n3 1000\n", TRACE_GUESS, "t:2: 3 1000: a line of din is '0|1|2 ADDRESS'", 1},
    {"l 1000 8\nl 1000\n", TRACE_GUESS, "t:2: l 1000: a line of ls is 'l|s ADDRESS BYTES'", 1},
    {"l 1000 1073741825\n", TRACE_GUESS, "t:1: an access of 1073741825 bytes; one has at most 1G",
     0},
    {"l ffffffffffffffff 2\n", TRACE_GUESS, "t:1: an access past the end of all addresses", 0},
    {"1\n-2\n", TRACE_GUESS, "t:2: -2: a line of txt is a number", 1},
    {"1\n99999999999999999999\n", TRACE_GUESS,
     "t:2: 99999999999999999999: a line of txt is a "
     "number",
     1},
    {"1,2\n3\n", TRACE_GUESS, "t:2: 3: a line of csv has a number in column 2", 1},
    {"1,2\n3,x\n", TRACE_GUESS, "t:2: 3,x: a line of csv has a number in column 2", 1},
    {"123456789012345678901234567", TRACE_ORACLE_GENERAL,
     "t: byte 24: 3 bytes are left, a record has 24", 1},
    {"memman-trace 2\n", TRACE_COMPACT, "t:1: is not 'memman-trace 1'", 0},
    {"memman-trace 1\nsource x\n", TRACE_GUESS, "t:2: the header does not end", 0},
    {"memman-trace 1\npage-bytes 3\n\n", TRACE_GUESS,
     "t:2: page-bytes 3: a page has a power of two bytes, at most 1G", 0},
    {"memman-trace 1\nword\n\n", TRACE_GUESS,
     "t:2: a line of the header is a word and what it says", 0},
    {"memman-trace 1\nnew word\n\n", TRACE_GUESS, "t: byte 25: the trace ends before its end mark",
     0},
    {"memman-trace 1\n\n\x04\x02", TRACE_GUESS, "t: byte 17: command 2 is not known", 1},
    {"memman-trace 1\n\n\x01\xff\xff\x7f", TRACE_GUESS,
     "t: byte 17: thread 2097151; they are below 65536", 0},
    {"memman-trace 1\n\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", TRACE_GUESS,
     "t: byte 16: no number is as long as this one", 0},
    {"memman-trace 1\n\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", TRACE_GUESS,
     "t: byte 26: no page is as far away as this one", 0},
};

static void refusals_name_their_place(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const struct trace_options options = {.format = bad[i].format};
        struct read *read = take_text(bad[i].text, &options);

        assert_string_equal(read->failure, bad[i].failure);
        assert_int_equal(read->count, bad[i].count);
        test_free(read);
    }
}

static void odd_lines(void **state)
{
    char *text = test_malloc(10000);
    struct read *read;

    (void)state;
    memset(text, ' ', 9999);
    memcpy(text, "1000 R\n2000 R", 13); /* and spaces, more than a line has */
    text[9999] = '\0';
    read = take_text(text, NULL);
    assert_string_equal(read->failure, "t:2: is longer than 4096 bytes");
    assert_int_equal(read->count, 1);
    test_free(read);
    text[7 + 4095] = '\n'; /* exactly as long as a line may be */
    text[7 + 4096] = '\0';
    read = take_text(text, NULL);
    assert_string_equal(read->failure, "");
    assert_int_equal(read->count, 2);
    test_free(read);
    read = take_bytes("17\n1\0002\n", 7, &(struct trace_options){.format = TRACE_TXT});
    assert_string_equal(read->failure, "t:2: has a zero byte in it");
    test_free(read);
    read = take_text("1000 R\n", &(struct trace_options){.format = TRACE_GUESS, .page_bytes = 3});
    assert_string_equal(read->failure, "3: a page must be a power of two bytes, at most 1G");
    test_free(read);
    read = take_text("1000 R\n\x1b[1m", NULL);
    assert_non_null(strstr(read->failure, "t:2: ?[1m: "));
    test_free(read);
    test_free(text);
}

/* ---- written and read back ------------------------------------------------------------------ */

static char path[64]; /* of a folder for what is written */

static int folder_make(void **state)
{
    (void)state;
    strcpy(path, "/tmp/trace-test-XXXXXX");
    return mkdtemp(path) == NULL;
}

static int folder_remove(void **state)
{
    (void)state;
    return rmdir(path);
}

/* Near pages and far ones, several threads, both kinds. */
static size_t references_draw(struct trace_reference references[], size_t count)
{
    struct random_generator random;
    uint64_t page = 1000;

    random_seed(&random, 5, 0);
    for (size_t i = 0; i < count; i++) {
        const uint64_t bits = random_next(&random);
        page = bits % 8 == 0 ? random_next(&random) >> bits / 8 % 64 : page + bits % 5 - 2;
        references[i] = (struct trace_reference){.page = page,
                                                 .thread = (uint32_t)(bits >> 32 & 3) * 20,
                                                 .write = (bits >> 40 & 1) != 0};
    }
    references[0].page = UINT64_MAX;
    references[1].page = (uint64_t)1 << 63; /* as far as it can be */
    references[1].thread = references[0].thread;
    references[2] = (struct trace_reference){.page = 0, .thread = TRACE_THREADS_MAX - 1};
    return count;
}

static void write_file(const char *name, const struct trace_header *header,
                       const struct trace_reference references[], size_t count, uint64_t accesses)
{
    struct trace_message message = {""};
    struct trace_writer *writer = trace_create(name, header, &message);

    assert_string_equal(message.text, "");
    assert_non_null(writer);
    assert_true(trace_write(writer, references, count / 2));
    assert_true(trace_write(writer, references + count / 2, count - count / 2));
    assert_true(trace_finish(writer, accesses, &message));
}

static void compact_keeps_everything(void **state)
{
    const struct trace_header header = {
        .format = TRACE_COMPACT, .page_bytes = 16384, .source = "made\nby hand", .filter = "none"};
    static struct trace_reference references[REFERENCES_MAX - 2];
    const size_t count = references_draw(references, REFERENCES_MAX - 2);
    const char *const endings[] = {"", ".gz", ".zst"};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct trace_message message = {""};
        char name[128];
        snprintf(name, sizeof(name), "%s/compact%s", path, endings[i]);
        struct trace_writer *writer = trace_create(name, &header, &message);
        if (writer == NULL) { /* built without the library */
            assert_non_null(strstr(message.text, "built without"));
            continue;
        }
        trace_abandon(writer);
        assert_int_equal(access(name, F_OK), -1);
        write_file(name, &header, references, count, 123456);
        struct trace *trace = trace_open(name, NULL, &message);
        assert_non_null(trace);
        struct read *read = take(trace);
        assert_string_equal(read->failure, "");
        assert_int_equal(read->header.format, TRACE_COMPACT);
        assert_int_equal(read->header.page_bytes, 16384);
        assert_string_equal(read->header.source, "made?by hand");
        assert_string_equal(read->header.filter, "none");
        assert_int_equal(read->accesses, 123456);
        assert_int_equal(read->count, count);
        for (size_t at = 0; at < count; at++) {
            assert_int_equal(read->references[at].page, references[at].page);
            assert_int_equal(read->references[at].thread, references[at].thread);
            assert_int_equal(read->references[at].write, references[at].write);
        }
        test_free(read);
        assert_int_equal(unlink(name), 0);
    }
}

/* What each format cannot say is left out. */
static void other_formats_keep_what_they_can(void **state)
{
    const struct trace_reference references[] = {
        {5, 0, false}, {6, 3, true}, {5, 0, true}, {1ull << 40, 0, false}, {6, 0, false}};
    static const char *const kept[TRACE_FORMATS] = {
        [TRACE_LACKEY] = "5/0 6/0w 5/0w 1099511627776/0 6/0 ",
        [TRACE_ADDRESS] = "5/0 6/3w 5/0w 1099511627776/0 6/0 ",
        [TRACE_DIN] = "5/0 6/0w 5/0w 1099511627776/0 6/0 ",
        [TRACE_LS] = "5/0 6/0w 5/0w 1099511627776/0 6/0 ",
        [TRACE_TXT] = "5/0 6/0 5/0 1099511627776/0 6/0 ",
        [TRACE_CSV] = "5/0 6/0 5/0 1099511627776/0 6/0 ",
        [TRACE_ORACLE_GENERAL] = "5/0 6/0 5/0 1099511627776/0 6/0 ",
    };

    (void)state;
    for (unsigned format = TRACE_COMPACT + 1; format < TRACE_FORMATS; format++) {
        const struct trace_header header = {.format = (enum trace_format)format,
                                            .page_bytes = 4096};
        struct trace_message message = {""};
        char name[128], found[512];
        snprintf(name, sizeof(name), "%s/other", path);
        write_file(name, &header, references, 5, 0);
        struct trace *trace = trace_open(name, NULL, &message);
        assert_non_null(trace);
        struct read *read = take(trace);
        assert_string_equal(read->failure, "");
        assert_int_equal(read->header.format, format);
        references_print(read, found, sizeof(found));
        assert_string_equal(found, kept[format]);
        test_free(read);
        assert_int_equal(unlink(name), 0);
    }
}

/* Its readers want to know when an id comes again. */
static void oracle_general_knows_the_future(void **state)
{
    const struct trace_header header = {.format = TRACE_ORACLE_GENERAL, .page_bytes = 4096};
    const struct trace_reference references[] = {{5, 0, false}, {6, 0, true}, {5, 0, true}};
    const int64_t next[] = {2, -1, -1};
    unsigned char bytes[100];
    char name[128];

    (void)state;
    snprintf(name, sizeof(name), "%s/oracle", path);
    write_file(name, &header, references, 3, 0);
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), file), 72);
    fclose(file);
    for (unsigned i = 0; i < 3; i++) {
        int64_t found;
        memcpy(&found, bytes + 24 * i + 16, sizeof(found));
        assert_int_equal(found, next[i]);
    }
    assert_int_equal(unlink(name), 0);
}

static size_t file_take(const char *name, unsigned char *bytes, size_t room)
{
    FILE *file = fopen(name, "rb");
    size_t count;

    assert_non_null(file);
    count = fread(bytes, 1, room, file);
    fclose(file);
    return count;
}

/* Any byte changed, any end cut off: never taken for the trace it was. */
static void damage_is_found(void **state)
{
    const struct trace_header header = {
        .format = TRACE_COMPACT, .page_bytes = 4096, .source = "s", .filter = "f"};
    const char *const endings[] = {"", ".gz", ".zst"};
    struct trace_reference references[40];
    unsigned char bytes[2048];

    (void)state;
    references_draw(references, 40);
    for (unsigned i = 0; i < 3; i++) {
        struct trace_message message = {""};
        char name[128];
        snprintf(name, sizeof(name), "%s/damage%s", path, endings[i]);
        struct trace_writer *writer = trace_create(name, &header, &message);
        if (writer == NULL) {
            continue;
        }
        trace_abandon(writer);
        write_file(name, &header, references, 40, 0);
        const size_t length = file_take(name, bytes, sizeof(bytes));
        assert_int_equal(unlink(name), 0);
        for (size_t cut = 0; cut < length; cut++) {
            struct read *read = take_bytes(bytes, cut, NULL);
            assert_string_not_equal(read->failure, "");
            test_free(read);
        }
        for (size_t at = 0; i == 0 && at < length; at++) {
            bytes[at] ^= 1;
            struct read *read = take_bytes(bytes, length, NULL);
            assert_string_not_equal(read->failure, "");
            test_free(read);
            bytes[at] ^= 1;
        }
        bytes[length] = 0;
        struct read *read = take_bytes(bytes, length + 1, NULL);
        assert_string_not_equal(read->failure, "");
        test_free(read);
    }
}

static void files_that_are_not_there(void **state)
{
    const struct trace_header header = {.format = TRACE_COMPACT, .page_bytes = 4096};
    const struct trace_reference one = {1, 0, false};
    struct trace_message message = {""};
    struct trace_list list;

    (void)state;
    assert_null(trace_open("/nowhere/trace", NULL, &message));
    assert_string_equal(message.text, "/nowhere/trace: No such file or directory");
    assert_null(trace_open("/tmp", NULL, &message));
    assert_string_equal(message.text, "/tmp: byte 0: Is a directory");
    assert_null(trace_create("/nowhere/trace", &header, &message));
    assert_string_equal(message.text, "/nowhere/trace: cannot be written (No such file or "
                                      "directory); give another file");
    struct trace_writer *writer = trace_create("/dev/full", &header, &message);
    assert_non_null(writer);
    trace_write(writer, &one, 1);
    assert_false(trace_finish(writer, 0, &message));
    assert_string_equal(message.text, "/dev/full: cannot be written (No space left on device)");
    assert_false(trace_load("/nowhere/trace", NULL, 10, &list, &message));
}

static void a_list_is_the_whole_trace(void **state)
{
    const struct trace_header header = {.format = TRACE_COMPACT, .page_bytes = 4096};
    struct trace_reference references[9000];
    struct trace_message message = {""};
    struct trace_list list;
    char name[128];

    (void)state;
    references_draw(references, 9000);
    snprintf(name, sizeof(name), "%s/list", path);
    write_file(name, &header, references, 9000, 77);
    assert_true(trace_load(name, NULL, 9000, &list, &message));
    assert_int_equal(list.count, 9000);
    assert_int_equal(list.accesses, 77);
    assert_int_equal(list.references[8999].page, references[8999].page);
    trace_list_free(&list);
    assert_false(trace_load(name, NULL, 8999, &list, &message));
    assert_non_null(strstr(message.text, "has more than 8999 references"));
    assert_int_equal(unlink(name), 0);
}

/* An id of a cache trace may be no page of any address space. */
static void ids_that_are_no_addresses_are_refused(void **state)
{
    const struct trace_reference last = {UINT64_MAX / 4096, 0, false};
    const struct trace_reference beyond = {UINT64_MAX / 4096 + 1, 0, false};

    (void)state;
    for (unsigned format = 0; format < TRACE_FORMATS; format++) {
        const struct trace_header header = {.format = (enum trace_format)format,
                                            .page_bytes = 4096};
        const bool addresses = format >= TRACE_LACKEY && format <= TRACE_LS;
        struct trace_message message = {""};
        char name[128];
        snprintf(name, sizeof(name), "%s/ids", path);
        struct trace_writer *writer = trace_create(name, &header, &message);
        assert_true(trace_write(writer, &last, 1));
        assert_int_equal(trace_write(writer, &beyond, 1), !addresses);
        assert_int_equal(trace_finish(writer, 0, &message), !addresses);
        if (addresses) {
            assert_non_null(strstr(message.text, "too large to be addresses"));
            assert_int_equal(access(name, F_OK), -1);
        } else {
            assert_int_equal(unlink(name), 0);
        }
    }
}

static unsigned files_count(void)
{
    DIR *folder = opendir(path);
    unsigned count = 0;

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count;
}

/* What stood there is there until something whole takes its place, whatever happens before. */
static void a_file_is_whole_or_not_there(void **state)
{
    const struct trace_header header = {.format = TRACE_TXT, .page_bytes = 4096};
    const struct trace_reference five = {5, 0, false};
    struct trace_message message = {""};
    char name[128], bytes[8] = "";

    (void)state;
    snprintf(name, sizeof(name), "%s/whole", path);
    write_file(name, &header, &five, 1, 0);
    struct trace_writer *writer = trace_create(name, &header, &message);
    assert_int_equal(files_count(), 2);
    assert_int_equal(file_take(name, (unsigned char *)bytes, sizeof(bytes)), 2);
    trace_abandon(writer);
    assert_int_equal(files_count(), 1);
    assert_int_equal(file_take(name, (unsigned char *)bytes, sizeof(bytes)), 2);
    write_file(name, &header, &five, 0, 0);
    assert_int_equal(files_count(), 1);
    assert_int_equal(file_take(name, (unsigned char *)bytes, sizeof(bytes)), 0);
    assert_int_equal(unlink(name), 0);
}

/* What people read is printable, whoever wrote it; zero bytes alone are no oracleGeneral. */
static void what_looks_wrong(void **state)
{
    unsigned char records[2 * 24] = {9, [16] = 1, [24] = 8, [40] = 1};
    struct read *read =
        take_text("memman-trace 1\nsource \x1b[1m\xff \xc3\xa9\n\n", &TRACE_OPTIONS_DEFAULT);

    (void)state;
    assert_string_equal(read->header.source, "?[1m? ??");
    test_free(read);
    read = take_bytes(records, sizeof(records), NULL); /* time runs backwards */
    assert_non_null(strstr(read->failure, "looks like no trace"));
    test_free(read);
    records[24] = 9;
    read = take_bytes(records, sizeof(records), NULL);
    assert_string_equal(read->failure, "");
    assert_int_equal(read->count, 2);
    test_free(read);
}

static void a_map_numbers_pages(void **state)
{
    struct page_map map = {.count = 0};
    uint64_t number;

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (uint64_t page = 0; page < 5000; page++) {
            assert_true(page_map_add(&map, page * page * 1000003, &number));
            assert_int_equal(number, page);
        }
    }
    assert_int_equal(map.count, 5000);
    page_map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_read),
        cmocka_unit_test(options_are_kept),
        cmocka_unit_test(refusals_name_their_place),
        cmocka_unit_test(odd_lines),
        cmocka_unit_test(compact_keeps_everything),
        cmocka_unit_test(other_formats_keep_what_they_can),
        cmocka_unit_test(oracle_general_knows_the_future),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(files_that_are_not_there),
        cmocka_unit_test(a_list_is_the_whole_trace),
        cmocka_unit_test(ids_that_are_no_addresses_are_refused),
        cmocka_unit_test(a_file_is_whole_or_not_there),
        cmocka_unit_test(what_looks_wrong),
        cmocka_unit_test(a_map_numbers_pages),
    };

    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
