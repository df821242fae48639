/*
 * text.c - the formats that have an access a line.
 *
 * Empty lines and lines that begin with '#' say nothing; so do valgrind's own ("==1234== ..." and
 * "--1234-- ...").
 * Addresses are hexadecimal with or without 0x, lengths and threads decimal.
 */
#include "trace/reader.h"

#include <string.h>

#define SHOWN_MAX 60 /* of a line that is refused */

/* What a line of some format came to before it is anything in a trace. */
struct line_access {
    uint64_t address, bytes, thread;
    bool write, code;
};

typedef bool line_parser(const char *line, struct line_access *ret_access);

/* ---- words ---------------------------------------------------------------------------------- */

static void spaces_pass(const char **at)
{
    *at += strspn(*at, " \t");
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* Digits of this base; false: none, or more than 64 bits. */
static bool number_take(const char **at, unsigned base, uint64_t *ret_number)
{
    const char *start = *at;
    uint64_t number = 0;

    for (; digit_of(**at) < (int)base; (*at)++) {
        if (__builtin_mul_overflow(number, base, &number) ||
            __builtin_add_overflow(number, (unsigned)digit_of(**at), &number)) {
            return false;
        }
    }
    *ret_number = number;
    return *at > start;
}

static bool address_take(const char **at, uint64_t *ret_address)
{
    if ((*at)[0] == '0' && ((*at)[1] | 0x20) == 'x') {
        *at += 2;
    }
    return number_take(at, 16, ret_address);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool line_ends(const char *at)
{
    spaces_pass(&at);
    return *at == '\0';
}

/* ---- lines ---------------------------------------------------------------------------------- */

/* " L 1ffeffe7e8,8", "I  04000c60,3"; M, modify, reads and writes. */
static bool lackey_parse(const char *line, struct line_access *access)
{
    spaces_pass(&line);
    const char kind = *line;

    if (kind == '\0' || strchr("ILSM", kind) == NULL || !is_space(line[1])) {
        return false;
    }
    line++;
    spaces_pass(&line);
    access->write = kind == 'S' || kind == 'M';
    access->code = kind == 'I';
    return address_take(&line, &access->address) && *line++ == ',' &&
           number_take(&line, 10, &access->bytes) && line_ends(line);
}

/* "7f00 R", "0x7f00 W 2" */
static bool address_parse(const char *line, struct line_access *access)
{
    spaces_pass(&line);
    if (!address_take(&line, &access->address) || !is_space(*line)) {
        return false;
    }
    spaces_pass(&line);
    const char kind = (char)(*line & ~0x20);
    access->write = kind == 'W';
    if ((kind != 'R' && kind != 'W') || *line++ == '\0') {
        return false;
    }
    if (line_ends(line)) {
        return true;
    }
    if (!is_space(*line)) {
        return false;
    }
    spaces_pass(&line);
    return number_take(&line, 10, &access->thread) && line_ends(line);
}

/* "0 7f00"; Dinero passes over what follows the address. */
static bool din_parse(const char *line, struct line_access *access)
{
    spaces_pass(&line);
    const char kind = *line;

    if (kind < '0' || kind > '2' || !is_space(line[1])) {
        return false;
    }
    line++;
    spaces_pass(&line);
    access->write = kind == '1';
    access->code = kind == '2';
    return address_take(&line, &access->address) && (*line == '\0' || is_space(*line));
}

/* "l 0x7f00 8" */
static bool ls_parse(const char *line, struct line_access *access)
{
    spaces_pass(&line);
    const char kind = (char)(*line & ~0x20);

    if ((kind != 'L' && kind != 'S') || !is_space(line[1])) {
        return false;
    }
    line++;
    spaces_pass(&line);
    access->write = kind == 'S';
    if (!address_take(&line, &access->address) || !is_space(*line)) {
        return false;
    }
    spaces_pass(&line);
    return number_take(&line, 10, &access->bytes) && line_ends(line);
}

/* "4711" */
static bool txt_parse(const char *line, struct line_access *access)
{
    spaces_pass(&line);
    return number_take(&line, 10, &access->address) && line_ends(line);
}

static bool csv_parse(const char *line, unsigned column, struct line_access *access)
{
    for (unsigned at = 1; at < column; at++) {
        line += strcspn(line, ",");
        if (*line++ == '\0') {
            return false;
        }
    }
    spaces_pass(&line);
    if (!number_take(&line, 10, &access->address)) {
        return false;
    }
    spaces_pass(&line);
    return *line == ',' || *line == '\0';
}

static const struct {
    line_parser *parse;
    const char *wanted;
} lines[TRACE_FORMATS] = {
    [TRACE_LACKEY] = {lackey_parse, "' L|S|M ADDRESS,BYTES' or 'I  ADDRESS,BYTES'"},
    [TRACE_ADDRESS] = {address_parse, "'ADDRESS R|W' or 'ADDRESS R|W THREAD'"},
    [TRACE_DIN] = {din_parse, "'0|1|2 ADDRESS'"},
    [TRACE_LS] = {ls_parse, "'l|s ADDRESS BYTES'"},
    [TRACE_TXT] = {txt_parse, "a number"},
    [TRACE_CSV] = {NULL, "a number in column"},
};

static bool says_nothing(const char *line)
{
    return *line == '#' || strncmp(line, "==", 2) == 0 || strncmp(line, "--", 2) == 0 ||
           line_ends(line);
}

static bool line_parse(const struct trace *trace, const char *line, struct line_access *ret_access)
{
    *ret_access = (struct line_access){.bytes = 1};
    if (trace->header.format == TRACE_CSV) {
        return csv_parse(line, trace->options.column, ret_access);
    }
    return lines[trace->header.format].parse(line, ret_access);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static enum step refuse(struct trace *trace, const char *line)
{
    const enum trace_format format = trace->header.format;
    char shown[SHOWN_MAX + 1];
    size_t length = 0;

    for (; line[length] != '\0' && length < SHOWN_MAX; length++) {
        shown[length] = line[length] < ' ' || line[length] > '~' ? '?' : line[length];
    }
    shown[length] = '\0';
    if (format == TRACE_CSV) {
        return trace_break_line(trace, "%s: a line of csv has %s %u", shown, lines[format].wanted,
                                trace->options.column);
    }
    return trace_break_line(trace, "%s: a line of %s is %s", shown, trace_format_name(format),
                            lines[format].wanted);
}

enum step text_step(struct trace *trace)
{
    struct line_access access;
    char *line;
    size_t length;

    switch (input_take_line(&trace->input, &line, &length)) {
    case INPUT_END:
        return STEP_END;
    case INPUT_LINE_LONG:
        return trace_break_line(trace, "is longer than %u bytes", INPUT_LINE_BYTES);
    default:
        break;
    }
    if (strlen(line) != length) {
        return trace_break_line(trace, "has a zero byte in it");
    }
    if (says_nothing(line)) {
        return STEP_NOTHING;
    }
    if (!line_parse(trace, line, &access)) {
        /* The first line of a csv may name the columns. */
        return trace->header.format == TRACE_CSV && trace->input.line == 1 ? STEP_NOTHING
                                                                           : refuse(trace, line);
    }
    if (access.code && !trace->options.code) {
        return STEP_NOTHING;
    }
    if (access.thread >= TRACE_THREADS_MAX) {
        return trace_break_line(trace, "thread %llu; they are below %u",
                                (unsigned long long)access.thread, TRACE_THREADS_MAX);
    }
    if (trace->header.format == TRACE_TXT || trace->header.format == TRACE_CSV) {
        trace->access = (struct access){.page = access.address, .pages = 1};
        return STEP_ACCESS;
    }
    return access_set(trace, access.address, access.bytes, access.write, (uint32_t)access.thread);
}

/* ---- guess ---------------------------------------------------------------------------------- */

static enum trace_format line_guess(const char *line)
{
    static const enum trace_format tried[] = {TRACE_LACKEY, TRACE_LS, TRACE_ADDRESS, TRACE_DIN,
                                              TRACE_TXT};
    struct line_access access;

    for (unsigned i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
        if (lines[tried[i]].parse(line, &access)) {
            return tried[i];
        }
    }
    return strchr(line, ',') != NULL ? TRACE_CSV : TRACE_GUESS;
}

enum trace_format text_guess(const char *bytes, size_t length)
{
    char line[256];

    while (length > 0) {
        const char *end = memchr(bytes, '\n', length);
        const size_t whole = end != NULL ? (size_t)(end - bytes) : length;
        size_t kept = whole < sizeof(line) - 1 ? whole : sizeof(line) - 1;

        memcpy(line, bytes, kept);
        kept -= kept > 0 && line[kept - 1] == '\r';
        line[kept] = '\0';
        if (!says_nothing(line)) {
            return line_guess(line);
        }
        bytes += whole + (end != NULL);
        length -= whole + (end != NULL);
    }
    return TRACE_GUESS;
}
