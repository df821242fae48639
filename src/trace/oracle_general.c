/*
 * oracle_general.c - libCacheSim's oracleGeneral: u32 time, u64 id, u32 size, i64 next access; all
 * little endian, no gaps. It knows no writes.
 */
#include "trace/reader.h"

static uint64_t number_at(const unsigned char *bytes, unsigned count)
{
    uint64_t number = 0;

    while (count-- > 0) {
        number = number << 8 | bytes[count];
    }
    return number;
}

enum step oracle_general_step(struct trace *trace)
{
    const size_t have = input_look(&trace->input, ORACLE_GENERAL_BYTES);

    if (have == 0) {
        return STEP_END;
    }
    if (have < ORACLE_GENERAL_BYTES) {
        return trace_break_byte(trace, input_position(&trace->input),
                                "%zu bytes are left, a record has %d", have, ORACLE_GENERAL_BYTES);
    }
    trace->access = (struct access){.page = number_at(input_at(&trace->input) + 4, 8), .pages = 1};
    input_pass(&trace->input, ORACLE_GENERAL_BYTES);
    return STEP_ACCESS;
}

/* Time does not run backwards, and a page is touched next at some time or never. */
bool oracle_general_guess(const unsigned char *bytes, size_t length)
{
    uint64_t last = 0;

    for (size_t at = 0; at + ORACLE_GENERAL_BYTES <= length; at += ORACLE_GENERAL_BYTES) {
        const uint64_t time = number_at(bytes + at, 4);
        const int64_t next = (int64_t)number_at(bytes + at + 16, 8);
        if (time < last || next < -1) {
            return false;
        }
        last = time;
    }
    return length >= ORACLE_GENERAL_BYTES;
}
