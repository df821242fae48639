/*
 * ycsb.c - the mixes of the Yahoo! Cloud Serving Benchmark on a table of records.
 *
 *   ycsb:mix=a..f,theta=0.99,scatter=on|off,record=1024
 *
 *   a  half reads, half updates       d  95 % reads of the latest, 5 % inserts
 *   b  95 % reads, 5 % updates        e  95 % scans of 1 to 100 records, 5 % inserts
 *   c  reads                          f  half reads, half reads and then writes of the same record
 *
 * A record is one access of its page; none lies in two. Which one: zipf, spread over the table by
 * scatter; in mix d by how new it is. The table fills the memory; in d and e it fills one half, and
 * what is inserted goes on behind it, round and round: the oldest records make room. Of n threads
 * each inserts every n-th record, and takes the others to be as far as itself.
 */
#include "workload/family.h"

#define SCAN_MAX      100u
#define PAGE_BYTES    (WORKLOAD_WORDS * 8)
#define UPDATES_A     0.5
#define UPDATES_OTHER 0.05

enum { YCSB_MIX, YCSB_THETA, YCSB_SCATTER, YCSB_RECORD };
enum { MIX_A, MIX_B, MIX_C, MIX_D, MIX_E, MIX_F };

static uint64_t mix_of(const struct workload *workload)
{
    return workload->value[YCSB_MIX].number;
}

static uint64_t records_a_page(const struct workload *workload)
{
    return PAGE_BYTES / workload->value[YCSB_RECORD].number;
}

/* There is room for. */
static uint64_t records_room(const struct workload *workload)
{
    return workload->pages * records_a_page(workload);
}

static bool grows(const struct workload *workload)
{
    return mix_of(workload) == MIX_D || mix_of(workload) == MIX_E;
}

/* At the beginning, and as many are alive later. */
static uint64_t records_live(const struct workload *workload)
{
    const uint64_t room = records_room(workload);

    return grows(workload) && room > 1 ? room / 2 : room;
}

static bool ycsb_fit(struct workload *workload, const struct workload_scene *scene,
                     struct workload_refusal *ret_refusal)
{
    const uint64_t records = records_live(workload);

    (void)ret_refusal;
    zipf_init(&workload->zipf, records, workload->value[YCSB_THETA].real);
    scatter_init(&workload->scatter, records, random_hash(scene->seed));
    return true;
}

/* The number of the oldest that is alive; numbers only grow. */
static uint64_t oldest(const struct workload_strand *strand)
{
    return strand->ycsb.inserts * strand->workload->threads;
}

static uint64_t record_choose(struct workload_strand *strand)
{
    const struct workload *workload = strand->workload;
    const uint64_t rank = zipf_rank(&workload->zipf, &strand->random) - 1;

    if (mix_of(workload) == MIX_D) {
        return oldest(strand) + records_live(workload) - 1 - rank;
    }
    return oldest(strand) + (workload->value[YCSB_SCATTER].number != 0
                                 ? scatter_of(&workload->scatter, rank)
                                 : rank);
}

static uint64_t record_insert(struct workload_strand *strand)
{
    const struct workload *workload = strand->workload;

    return records_live(workload) + workload->threads * strand->ycsb.inserts++ + strand->thread;
}

/* What begins when nothing is going on; false: no write. */
static bool operation_begin(struct workload_strand *strand)
{
    const uint64_t mix = mix_of(strand->workload);
    const double share = mix == MIX_A || mix == MIX_F ? UPDATES_A : UPDATES_OTHER;
    const bool second = mix != MIX_C && random_fraction(&strand->random) < share;

    if (second && grows(strand->workload)) {
        strand->place = record_insert(strand);
        return true;
    }
    strand->place = record_choose(strand);
    strand->ycsb.scan_left = mix == MIX_E ? (uint32_t)random_below(&strand->random, SCAN_MAX) : 0;
    strand->ycsb.write_back = second && mix == MIX_F;
    return second && mix != MIX_F;
}

static void ycsb_next(struct workload_strand *strand, struct workload_access *ret_access)
{
    const struct workload *workload = strand->workload;

    ret_access->write = false;
    if (strand->ycsb.write_back) {
        strand->ycsb.write_back = false;
        ret_access->write = true;
    } else if (strand->ycsb.scan_left > 0) {
        strand->ycsb.scan_left--;
        strand->place++;
    } else {
        ret_access->write = operation_begin(strand);
    }
    ret_access->page = strand->place % records_room(workload) / records_a_page(workload);
}

const struct workload_family workload_ycsb = {
    .name = "ycsb",
    .key = {[YCSB_MIX] = {.name = "mix",
                          .kind = WORKLOAD_CHOICE,
                          .wanted = "a letter from a to f",
                          .choices = {"a", "b", "c", "d", "e", "f"}},
            [YCSB_THETA] = WORKLOAD_THETA,
            [YCSB_SCATTER] = WORKLOAD_SWITCH("scatter", 1),
            [YCSB_RECORD] = {.name = "record",
                             .kind = WORKLOAD_NUMBER,
                             .wanted = "a number of bytes from 1 to 4096",
                             .number = 1024,
                             .number_max = PAGE_BYTES}},
    .writes = true,
    .fit = ycsb_fit,
    .next = ycsb_next};
