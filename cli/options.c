/*
 * options.c - the table of options, and what goes to the manager and comes back.
 */
#include "options.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "numbers.h"
#include "report/samples.h"
#include "report/trace.h"

/* Page numbers have 32 bits, and the last number means "none". */
#define SIZE_MAX_BYTES ((uint64_t)8 << 40)
#define THREADS_MAX    65528u
/* Beside the user threads: the one that commits, freezes and audits, and some to spare. */
#define THREADS_SLACK 8u

/* The choices of a switch are in the order of the field's values: index 1 is true. */
const struct option_info option_table[OPTION_COUNT] = {
    [OPTION_MACHINE] = {"machine", OPTION_CHOICE, 0, 0, "linux|soft", NULL,
                        "What is run (sizes take K, M or G and are rounded up to pages)",
                        "real loads and stores, or a software MMU\n"
                        "(default: linux where it works)"},
    [OPTION_FAULTS] = {"faults", OPTION_CHOICE, 0, 0, "signal|thread", NULL, NULL,
                       "how faults arrive on the Linux machine (default: signal)"},
    [OPTION_MEMORY] = {"memory", OPTION_SIZE, MM_PAGE_BYTES, SIZE_MAX_BYTES, NULL, "256M", NULL,
                       "virtual memory (default: 256M)"},
    [OPTION_FRAMES] = {"frames", OPTION_FRAMES_SIZE, MM_PAGE_BYTES, SIZE_MAX_BYTES, NULL, NULL,
                       NULL,
                       "physical memory (default: a quarter of the memory);\n"
                       "auto[:SLOWDOWN]: as much as the load needs to take at most\n"
                       "SLOWDOWN (1.1) times as long as with unlimited memory"},
    [OPTION_PAGEFILE] = {"pagefile", OPTION_RANGE, 0, SIZE_MAX_BYTES, NULL, NULL, NULL,
                         "page file; 0 for none; A..B: it begins with A and grows\n"
                         "to B (default: as the memory)"},
    [OPTION_STORE] = {"store", OPTION_TEXT, 0, 0, NULL, "ram", NULL,
                      "where the page file is (default: ram):\n"
                      "  ram[:latency=NANOSECONDS]  in memory, may play a device\n"
                      "  file  a file without a name in $TMPDIR or /var/tmp\n"
                      "  file:PATH[,io=uring|sync][,cache=on|off]  a file by that\n"
                      "  name, made here and removed at the end\n"
                      "  compressed[:[budget=SIZE,]over=STORE]  packed into a part\n"
                      "  of the frames (a quarter), what does not fit in STORE (file)\n"
                      "  joined:STORE[+STORE...]  several as one\n"
                      "  nbd:URI  on a server: nbd://HOST/EXPORT, unix:PATH,\n"
                      "  nbd+unix:///EXPORT?socket=PATH, nbds://... with TLS"},
    [OPTION_OVERWRITE] = {"overwrite", OPTION_FLAG, 0, 0, NULL, NULL, NULL,
                          "the file of --store file:PATH may exist; it is emptied"},
    [OPTION_ENCRYPT] = {"encrypt", OPTION_CHOICE, 0, 0, "auto|on|off", NULL, NULL,
                        "the page file tells nothing to whoever finds it; auto: on\n"
                        "for file:PATH (default: auto)"},
    [OPTION_THREADS] = {"threads", OPTION_NUMBER, 1, THREADS_MAX, NULL, NULL, "The load",
                        "user threads (default: the CPUs)"},
    [OPTION_ACCESSES] = {"accesses", OPTION_NUMBER, 1, UINT64_MAX / THREADS_MAX, NULL, "262144",
                         NULL, "accesses of each thread (default: 262144)"},
    [OPTION_SECONDS] = {"seconds", OPTION_REAL, 0, 1000000, NULL, NULL, NULL,
                        "run that long instead"},
    [OPTION_WORKLOAD] = {"workload", OPTION_TEXT, 0, 0, NULL, "uniform", NULL,
                         "uniform, sequential, zipf[:theta=0.99,scatter=on|off],\n"
                         "loop[:pages=N], stride[:step=17],\n"
                         "trace:FILE[,threads=merged|apart],\n"
                         "ycsb[:mix=a..f,theta=0.99,scatter=on|off,record=1024],\n"
                         "hotcold[:hot=0.2,share=0.8,scatter=on|off],\n"
                         "phases[:pages=N,length=100000,move=jump|slide],\n"
                         "stack[:frame=256], heap[:objects=16,theta=0.99],\n"
                         "chase[:pages=N], matrix[:n=N,order=ijk|ikj],\n"
                         "sort[:item=64], bfs|pagerank[:scale=N,edges=16],\n"
                         "masim:FILE[,rate=1000]; all also take think=NS,\n"
                         "apart=on|off and scatter=on|off (default: uniform);\n"
                         "mix:WEIGHT*WORKLOAD[+WEIGHT*WORKLOAD...] of up to 8"},
    [OPTION_WRITE_RATIO] = {"write-ratio", OPTION_REAL, 0, 1, NULL, "0.5", NULL,
                            "share of the accesses that write, 0 to 1 (default: 0.5)"},
    [OPTION_SEED] = {"seed", OPTION_NUMBER, 0, UINT64_MAX, NULL, "1", NULL,
                     "same seed, same accesses (default: 1)"},
    [OPTION_POLICY] = {"policy", OPTION_TEXT, 0, 0, NULL, NULL, "Mechanisms",
                       "which pages are trimmed: aging (default on soft), fifo\n"
                       "(default on linux, which has no accessed bits), age,\n"
                       "clock, segfifo, mglru, clock2q or 2q"},
    [OPTION_TRIMMERS] = {"trimmers", OPTION_NUMBER, 1, 64, NULL, NULL, NULL,
                         "threads that trim (default: 1)"},
    [OPTION_WRITERS] = {"writers", OPTION_NUMBER, 1, 64, NULL, NULL, NULL,
                        "threads that write modified pages (default: 1)"},
    [OPTION_ZEROERS] = {"zeroers", OPTION_NUMBER, 0, 64, NULL, NULL, NULL,
                        "threads that zero free frames; 0: none (default: 1)"},
    [OPTION_DEFRAGMENTERS] = {"defragmenters", OPTION_NUMBER, 0, 64, NULL, NULL, NULL,
                              "threads that bring neighbouring pages together in the\n"
                              "page file; 0: none (default: 0)"},
    [OPTION_FAULT_HANDLERS] = {"fault-handlers", OPTION_NUMBER, 1, 64, NULL, NULL, NULL,
                               "threads that take faults, with --faults thread (default: 2)"},
    [OPTION_STANDBY] = {"standby", OPTION_NUMBER, 1, 90, NULL, NULL, NULL,
                        "percent of the frames that trimming keeps available, with\n"
                        "pages that can come back (default: 20 on soft, 25 on linux,\n"
                        "50 for segfifo)"},
    [OPTION_TRIM_BATCH] = {"trim-batch", OPTION_NUMBER, 1, 512, NULL, NULL, NULL,
                           "pages per unmap (default: 512, at most a 16th of the frames)"},
    [OPTION_WRITE_BATCH] = {"write-batch", OPTION_NUMBER, 1, 512, NULL, NULL, NULL,
                            "pages per round of the modified writer (default: 256)"},
    [OPTION_REGION_PTES] = {"region-ptes", OPTION_POWER_OF_TWO, 1, 512, NULL, NULL, NULL,
                            "PTEs under one lock, a power of two (default: 256)"},
    [OPTION_FRAME_CACHE] = {"frame-cache", OPTION_NUMBER, 0, 63, NULL, NULL, NULL,
                            "free frames kept per thread; 0: off (default: 32, all\n"
                            "together at most an eighth of the frames)"},
    [OPTION_FAULT_AROUND] = {"fault-around", OPTION_POWER_OF_TWO, 1, 64, NULL, NULL, NULL,
                             "pages looked at around a transition fault, a power of\n"
                             "two; 1: off (default: 8 on linux, 1 on soft)"},
    [OPTION_READ_CLUSTER] = {"read-cluster", OPTION_NUMBER, 1, 256, NULL, NULL, NULL,
                             "pages that one read may bring where faults are\n"
                             "sequential; 1: off (default: 64, at most a 64th of the\n"
                             "frames)"},
    [OPTION_TRANSFER_BATCH] = {"transfer-batch", OPTION_NUMBER, 1, 512, NULL, NULL, NULL,
                               "pages whose content one system call moves between memory\n"
                               "and a thread's windows, linux machine; 1: each by itself\n"
                               "(default: 512)"},
    [OPTION_PREFETCH] = {"prefetch", OPTION_NUMBER, 0, 256, "on|off", NULL, NULL,
                         "pages that a worker reads ahead at once where faults are\n"
                         "sequential (default: on, 256, at most a 64th of the\n"
                         "frames)"},
    [OPTION_PREFETCH_BY] = {"prefetch-by", OPTION_CHOICE, 0, 0,
                            "auto|streams|neighbours|followers|stride|majority", NULL, NULL,
                            "what a hard fault reads besides its page: neighbours in\n"
                            "memory, pages that followed it the last time, both (auto),\n"
                            "the next at the distance of the last misses (stride, or\n"
                            "that of most, majority), or nothing (streams)\n"
                            "(default: auto)"},
    [OPTION_TLB] = {"tlb", OPTION_POWER_OF_TWO, 0, 1u << 20, NULL, NULL, NULL,
                    "TLB entries per thread, soft machine, a power of two;\n"
                    "0: off (default: 1024)"},
    [OPTION_LIST_COLOURS] =
        {"list-colours", OPTION_POWER_OF_TWO, 1, 256, NULL, NULL, NULL,
         "parts of each page list, with a lock each, a power of two;\n"
         "1: one list, in exact order (default: as many as CPUs, of 256 frames each)"},
    [OPTION_BALANCE] = {"balance", OPTION_CHOICE, 0, 0, "auto|workers|faults", NULL, NULL,
                        "who trims and writes ahead of need: workers, or whose fault\n"
                        "took the frames; auto: faults from 8 colours on, --store ram\n"
                        "(default: auto)"},
    [OPTION_LIST_LOCK] = {"list-lock", OPTION_CHOICE, 0, 0, "exclusive|shared", NULL, NULL,
                          "how a page is unlinked from a list (default: shared)"},
    [OPTION_BACKOFF] = {"backoff", OPTION_CHOICE, 0, 0, "off|on", NULL, NULL,
                        "exponential back-off of the spin locks (default: on)"},
    [OPTION_DIRTY_BIT] = {"dirty-bit", OPTION_CHOICE, 0, 0, "off|on", NULL, NULL,
                          "off: every mapped page counts as written (default: on)"},
    [OPTION_MAP_WRITABLE] = {"map-writable", OPTION_CHOICE, 0, 0, "auto|on|off", NULL, NULL,
                             "map a page that is read in writable at once, and compare it\n"
                             "when it is written out; auto: on linux, where the pages\n"
                             "around it were written lately (default: auto)"},
    [OPTION_SLOT_SEARCH] = {"slot-search", OPTION_CHOICE, 0, 0, "next-fit|first-fit", NULL, NULL,
                            "how free slots are found (default: next-fit)"},
    [OPTION_SLOT_RESERVATION] = {"slot-reservation", OPTION_POWER_OF_TWO, 1, 64, NULL, NULL, NULL,
                                 "slots kept together for neighbouring pages, a power of\n"
                                 "two; 1: off (default: 64)"},
    [OPTION_LATENCY] = {"latency", OPTION_CHOICE, 0, 0, "off|on", "on", "Checks and report",
                        "time every access and every fault (default: on)"},
    [OPTION_VERIFY] = {"verify", OPTION_CHOICE, 0, 0, "off|full", "full", NULL,
                       "check every access and at the end every page (default: full)"},
    [OPTION_JSON] = {"json", OPTION_FILE, 0, 0, NULL, NULL, NULL,
                     "write the report as JSON; - is standard output, alone"},
    [OPTION_SLOT_MAP] = {"slot-map", OPTION_FILE, 0, 0, NULL, NULL, NULL,
                         "draw the page file as a picture (PPM): a dot a slot, 512 a\n"
                         "row, its colour where in memory its page is; free: black"},
    [OPTION_TRACE] = {"trace", OPTION_FILE, 0, 0, NULL, NULL, NULL,
                      "write a timeline for ui.perfetto.dev: faults, waits, reads, batches\n"
                      "and rounds of each thread, its last 65536, and frames by state"},
    [OPTION_REPORT] = {"report", OPTION_FILE, 0, 0, NULL, NULL, NULL,
                       "write the run as a page for a browser: frames, faults and\n"
                       "latencies over time, and where in memory faults were"},
    [OPTION_QUIET] = {"quiet", OPTION_FLAG, 0, 0, NULL, NULL, NULL,
                      "no progress, no notes, one line of report"},
};

/* ---- to the manager and back ----------------------------------------------------------------- */

#define ENGINE_SIZES(X)                                                                            \
    X(OPTION_MEMORY, memory_bytes)                                                                 \
    X(OPTION_FRAMES, frames_bytes)

#define ENGINE_COUNTS(X)                                                                           \
    X(OPTION_TRIMMERS, trimmers)                                                                   \
    X(OPTION_WRITERS, writers)                                                                     \
    X(OPTION_ZEROERS, zeroers)                                                                     \
    X(OPTION_DEFRAGMENTERS, defragmenters)                                                         \
    X(OPTION_FAULT_HANDLERS, fault_handlers)                                                       \
    X(OPTION_STANDBY, standby_percent)                                                             \
    X(OPTION_TRIM_BATCH, trim_batch)                                                               \
    X(OPTION_WRITE_BATCH, write_batch)                                                             \
    X(OPTION_REGION_PTES, region_ptes)                                                             \
    X(OPTION_FRAME_CACHE, frame_cache)                                                             \
    X(OPTION_FAULT_AROUND, fault_around)                                                           \
    X(OPTION_READ_CLUSTER, read_cluster)                                                           \
    X(OPTION_TRANSFER_BATCH, transfer_batch)                                                       \
    X(OPTION_PREFETCH, prefetch)                                                                   \
    X(OPTION_TLB, tlb_entries)                                                                     \
    X(OPTION_LIST_COLOURS, list_colours)                                                           \
    X(OPTION_SLOT_RESERVATION, slot_reservation)

#define ENGINE_SWITCHES(X)                                                                         \
    X(OPTION_LIST_LOCK, list_lock_shared)                                                          \
    X(OPTION_BACKOFF, backoff)                                                                     \
    X(OPTION_DIRTY_BIT, dirty_bit)                                                                 \
    X(OPTION_LATENCY, latency)

_Static_assert(MM_FAULTS_SIGNAL == 0 && MM_FAULTS_THREAD == 1, "choices of --faults");
_Static_assert(MM_SLOTS_NEXT_FIT == 0 && MM_SLOTS_FIRST_FIT == 1, "choices of --slot-search");
_Static_assert(MM_BALANCE_AUTO == 0 && MM_BALANCE_FAULTS == 2, "choices of --balance");
_Static_assert(MM_MAP_WRITABLE_AUTO == 0 && MM_MAP_WRITABLE_OFF == 2, "choices of --map-writable");
_Static_assert(MM_PREFETCH_BY_AUTO == 0 && MM_PREFETCH_BY_MAJORITY == 5, "of --prefetch-by");
_Static_assert(MM_ENCRYPT_AUTO == 0 && MM_ENCRYPT_OFF == 2, "choices of --encrypt");

void options_engine(const struct options *options, struct mm_options *ret_engine)
{
    const struct option_value *value = options->value;

    mm_options_init(ret_engine);
    if (value[OPTION_MACHINE].present) {
        ret_engine->machine =
            value[OPTION_MACHINE].number == 0 ? MM_MACHINE_LINUX : MM_MACHINE_SOFT;
    }
    if (value[OPTION_FAULTS].present) {
        ret_engine->faults = (enum mm_faults)value[OPTION_FAULTS].number;
    }
    if (value[OPTION_SLOT_SEARCH].present) {
        ret_engine->slot_search = (enum mm_slot_search)value[OPTION_SLOT_SEARCH].number;
    }
    if (value[OPTION_BALANCE].present) {
        ret_engine->balance = (enum mm_balance)value[OPTION_BALANCE].number;
    }
    if (value[OPTION_MAP_WRITABLE].present) {
        ret_engine->map_writable = (enum mm_map_writable)value[OPTION_MAP_WRITABLE].number;
    }
    if (value[OPTION_PREFETCH_BY].present) {
        ret_engine->prefetch_by = (enum mm_prefetch_by)value[OPTION_PREFETCH_BY].number;
    }
    if (value[OPTION_ENCRYPT].present) {
        ret_engine->encrypt = (enum mm_encrypt)value[OPTION_ENCRYPT].number;
    }
    if (value[OPTION_POLICY].present) {
        ret_engine->policy = value[OPTION_POLICY].text;
    }
    if (value[OPTION_PAGEFILE].present) {
        ret_engine->pagefile_bytes = value[OPTION_PAGEFILE].number;
        ret_engine->pagefile_max_bytes = value[OPTION_PAGEFILE].number_max;
    }
    ret_engine->store = value[OPTION_STORE].text;
    ret_engine->overwrite = value[OPTION_OVERWRITE].present;
    ret_engine->threads_max = (uint32_t)value[OPTION_THREADS].number + THREADS_SLACK;
    ret_engine->spans = value[OPTION_TRACE].present ? trace_spans(ret_engine->threads_max) : 0;
    ret_engine->heat =
        value[OPTION_REPORT].present ? samples_stretches(ret_engine->threads_max) : 0;
#define X(option, field)                                                                           \
    if (value[option].present) {                                                                   \
        ret_engine->field = value[option].number;                                                  \
    }
    ENGINE_SIZES(X)
#undef X
#define X(option, field)                                                                           \
    if (value[option].present) {                                                                   \
        ret_engine->field = (uint32_t)value[option].number;                                        \
    }
    ENGINE_COUNTS(X)
#undef X
#define X(option, field)                                                                           \
    if (value[option].present) {                                                                   \
        ret_engine->field = value[option].number != 0;                                             \
    }
    ENGINE_SWITCHES(X)
#undef X
}

static void value_set(struct options *options, enum option option, uint64_t number)
{
    options->value[option].present = true;
    options->value[option].number = number;
}

void options_resolve(struct options *options, const struct mm_options *engine)
{
    value_set(options, OPTION_MACHINE, engine->machine == MM_MACHINE_LINUX ? 0 : 1);
    value_set(options, OPTION_FAULTS, engine->faults);
    value_set(options, OPTION_SLOT_SEARCH, engine->slot_search);
    value_set(options, OPTION_BALANCE, engine->balance);
    value_set(options, OPTION_MAP_WRITABLE, engine->map_writable);
    value_set(options, OPTION_PREFETCH_BY, engine->prefetch_by);
    value_set(options, OPTION_ENCRYPT, engine->encrypt);
    value_set(options, OPTION_PAGEFILE, engine->pagefile_bytes);
    options->value[OPTION_PAGEFILE].number_max = engine->pagefile_max_bytes;
    options->value[OPTION_POLICY].present = true;
    options->value[OPTION_POLICY].text = engine->policy;
#define X(option, field) value_set(options, option, engine->field);
    ENGINE_SIZES(X)
    ENGINE_COUNTS(X)
    ENGINE_SWITCHES(X)
#undef X
}

/* ---- values as text ------------------------------------------------------------------------ */

static void choice_print(const char *choices, uint64_t index, char ret_text[OPTION_VALUE_BYTES])
{
    for (; index > 0; index--) {
        choices += strcspn(choices, "|") + 1;
    }
    snprintf(ret_text, OPTION_VALUE_BYTES, "%.*s", (int)strcspn(choices, "|"), choices);
}

void range_print(uint64_t from, uint64_t to, char ret_text[OPTION_VALUE_BYTES])
{
    char first[NUMBER_TEXT_BYTES], last[NUMBER_TEXT_BYTES];

    snprintf(ret_text, OPTION_VALUE_BYTES, from == to ? "%s" : "%s..%s", size_print(from, first),
             size_print(to, last));
}

void option_value_print(const struct options *options, enum option option,
                        char ret_text[OPTION_VALUE_BYTES])
{
    const struct option_value *value = &options->value[option];
    char number[NUMBER_TEXT_BYTES];

    switch (option_table[option].kind) {
    case OPTION_CHOICE:
        choice_print(option_table[option].choices, value->number, ret_text);
        break;
    case OPTION_FRAMES_SIZE:
        if (value->real > 0) {
            snprintf(ret_text, OPTION_VALUE_BYTES, "auto:%s", real_print(value->real, number));
            break;
        }
        /* fall through */
    case OPTION_SIZE:
        snprintf(ret_text, OPTION_VALUE_BYTES, "%s", size_print(value->number, number));
        break;
    case OPTION_RANGE:
        range_print(value->number, value->number_max, ret_text);
        break;
    case OPTION_REAL:
        snprintf(ret_text, OPTION_VALUE_BYTES, "%s", real_print(value->real, number));
        break;
    case OPTION_TEXT:
        snprintf(ret_text, OPTION_VALUE_BYTES, "%s", value->text);
        break;
    default:
        if (option_table[option].choices != NULL &&
            (value->number == 0 || value->number == OPTION_NUMBER_ON)) {
            snprintf(ret_text, OPTION_VALUE_BYTES, "%s", value->number == 0 ? "off" : "on");
            break;
        }
        snprintf(ret_text, OPTION_VALUE_BYTES, "%" PRIu64, value->number);
    }
}

void option_key_print(enum option option, char ret_key[OPTION_KEY_BYTES])
{
    snprintf(ret_key, OPTION_KEY_BYTES, "%s", option_table[option].name);
    for (char *dash = ret_key; (dash = strchr(dash, '-')) != NULL;) {
        *dash = '_';
    }
}

void options_print_command(const struct options *options, char *ret_text, size_t bytes)
{
    size_t used = (size_t)snprintf(ret_text, bytes, "memman run");

    for (unsigned option = 0; option < OPTION_COUNT && used < bytes; option++) {
        char text[OPTION_VALUE_BYTES];
        /* The TLB is the soft machine's, the faults' way the Linux machine's: refused elsewhere. */
        const bool foreign =
            (option == OPTION_TLB || option == OPTION_FAULTS || option == OPTION_FAULT_HANDLERS) &&
            !options->value[option].given;

        if (!options->value[option].present || foreign ||
            option_table[option].kind == OPTION_FILE || option == OPTION_QUIET) {
            continue;
        }
        used += (size_t)snprintf(ret_text + used, bytes - used, " --%s", option_table[option].name);
        if (option_table[option].kind != OPTION_FLAG && used < bytes) {
            option_value_print(options, (enum option)option, text);
            used += (size_t)snprintf(ret_text + used, bytes - used, " %s", text);
        }
    }
}

/* ---- refusals ------------------------------------------------------------------------------ */

#define LINE_BYTES 1024

/* What the user wrote may hold anything; on the terminal it must not be more than one line. */
static void line_print(char *line)
{
    for (char *at = line; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 127) {
            *at = '?';
        }
    }
    fprintf(stderr, "memman: %s\n", line);
}

void line_complain(const char *format, ...)
{
    char line[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    line_print(line);
}

void usage_complain(const char *word, const char *format, ...)
{
    char line[LINE_BYTES];
    const int used = snprintf(line, sizeof(line), "%.*s: ", LINE_BYTES / 2, word);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line + used, sizeof(line) - (size_t)used, format, arguments);
    va_end(arguments);
    line_print(line);
}
