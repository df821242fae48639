/*
 * scaling.c - memman-bench scaling, memman-bench author: what more threads make of the same
 * accesses.
 *
 * memman-bench scaling [options]: on both machines, strong (so many accesses in all, shared
 * among the threads, over one memory) and weak (so many for each thread, which brings its share
 * of memory and frames). The other figures being good, strong takes 1/threads of the time up to
 * the processors, weak takes the same time, and CPU time for each access never changes.
 * memman-bench author [options]: 256 Ki frames, a page file of 128 Ki slots and as much memory
 * as they hold, 1 Mi accesses for each thread: the configuration of whom the idea is from, who
 * claims that the time changes by at most 3 % as threads are added up to the processors.
 * Without a dirty bit, as there: with one a page may have a frame and a slot, and here no slot
 * is to spare.
 *
 * Options: --machine soft|linux, --threads N,N,..., --accesses N (in all, or for each thread),
 * --frames N (of a thread, or of all), --repeats N, --json FILE, --commit ID; author: --cold,
 * see below.
 *
 * Half of the accesses are writes, to pages at random, all as likely. Every run has a manager
 * of its own, whose memory was written once before the clock starts. With --cold it starts with
 * memory that nobody has touched: then more threads share the first touches, which are cheaper
 * than what follows, and the time says something of that too. Each round has one run of each
 * number of threads, and is compared with its own run of the first number.
 */
#include "base/random.h"
#include "base/types.h"
#include "manager.h"
#include "measure.h"
#include "memory.h"

#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#define THREADS_MOST 64u
#define COUNTS_MOST  8u
#define CLAIM        1.03 /* of the author */

enum kind { KIND_STRONG, KIND_WEAK, KIND_AUTHOR };
static const char *const kind_names[] = {"strong", "weak", "author's"};

struct plan {
    enum mm_machine machine;
    enum kind kind;
    uint64_t frames;   /* of each thread where kind is KIND_WEAK, else of all */
    uint64_t accesses; /* of all threads where kind is KIND_STRONG, else of each */
    bool cold;
};

struct scaling_options {
    bool one_machine, cold;
    enum mm_machine machine;
    uint64_t threads[COUNTS_MOST];
    unsigned counts, repeats;
    uint64_t accesses, frames; /* 0: as it is meant */
    const char *json, *commit;
};

/* ---- one run ---- */

struct crew {
    mm *manager;
    bool calls; /* the memory is not mapped: through mm_read() and mm_write() */
    uint64_t address, pages, accesses;
    pthread_barrier_t start;
};

struct user {
    struct crew *crew;
    uint64_t seed;
    pthread_t id;
};

static void access_word(const struct crew *crew, uint64_t address, bool write)
{
    if (crew->calls) {
        touch(crew->manager, address, write);
    } else if (write) {
        *(volatile uint64_t *)(uintptr_t)address = address;
    } else {
        (void)*(volatile uint64_t *)(uintptr_t)address;
    }
}

static void *user_main(void *argument)
{
    struct user *user = argument;
    struct crew *crew = user->crew;
    struct random_generator random;
    random_seed(&random, user->seed, 0);
    pthread_barrier_wait(&crew->start);
    for (uint64_t i = 0; i < crew->accesses; i++) {
        uint64_t page = random_below(&random, crew->pages);
        access_word(crew, crew->address + page * MM_PAGE_SIZE + (i & 511) * 8,
                    random_below(&random, 2) != 0);
    }
    mm_detach(crew->manager);
    return NULL;
}

/* What a run took: seconds, and ns of all processors for each access. */
struct cost {
    double seconds, cpu_ns;
    uint64_t accesses; /* of all threads */
};

static struct cost run_crew(struct crew *crew, uint32_t threads, uint64_t seed)
{
    struct user users[THREADS_MOST];
    pthread_barrier_init(&crew->start, NULL, threads + 1);
    for (uint32_t t = 0; t < threads; t++) {
        users[t] = (struct user){.crew = crew, .seed = seed * THREADS_MOST + t};
        if (pthread_create(&users[t].id, NULL, user_main, &users[t]) != 0) {
            perror("memman-bench: no thread");
            exit(3);
        }
    }
    /* Before the barrier: behind it the users may be first, and end before a look at the clock. */
    uint64_t begin_ns = wall_ns(), begin_cpu_ns = process_cpu_ns();
    pthread_barrier_wait(&crew->start);
    for (uint32_t t = 0; t < threads; t++) {
        pthread_join(users[t].id, NULL);
    }
    uint64_t cpu_ns = process_cpu_ns() - begin_cpu_ns, accesses = crew->accesses * threads;
    struct cost cost = {.seconds = (double)(wall_ns() - begin_ns) / 1e9,
                        .cpu_ns = (double)cpu_ns / (double)accesses,
                        .accesses = accesses};
    pthread_barrier_destroy(&crew->start);
    return cost;
}

/* NULL: this system has no such machine; said. */
static mm *make_manager(const struct plan *plan, uint32_t threads)
{
    uint64_t frames = plan->frames * (plan->kind == KIND_WEAK ? threads : 1);
    uint64_t slots = plan->kind == KIND_AUTHOR ? frames / 2 : 4 * frames;
    uint64_t pages =
        plan->kind == KIND_AUTHOR ? frames + slots - engine_reserve((frame_number)frames) : slots;
    struct mm_options options;
    struct mm_detail detail;
    bench_options(plan->machine, pages * MM_PAGE_SIZE, frames * MM_PAGE_SIZE, &options);
    options.pagefile_bytes = slots * MM_PAGE_SIZE;
    options.dirty_bit = plan->kind != KIND_AUTHOR;
    options.threads_max = threads + 1;
    mm *manager = make_or_refuse(&options, &detail);
    if (manager == NULL) {
        printf("not run: %s\n", detail.text);
    }
    return manager;
}

static bool run_plan(const struct plan *plan, uint32_t threads, uint64_t seed,
                     struct cost *ret_cost)
{
    mm *manager = make_manager(plan, threads);
    if (manager == NULL) {
        return false;
    }
    struct crew crew = {.manager = manager,
                        .calls = plan->machine == MM_MACHINE_SOFT,
                        .address = commit_all(manager),
                        .pages = mm_options_of(manager)->memory_bytes / MM_PAGE_SIZE,
                        .accesses = plan->accesses};
    if (plan->kind == KIND_STRONG) {
        crew.accesses = MAX_OF(plan->accesses / threads, 1);
    }
    for (uint64_t page = 0; page < crew.pages && !plan->cold; page++) {
        access_word(&crew, crew.address + page * MM_PAGE_SIZE, true);
    }
    mm_detach(manager); /* an idle user is one more to flush */
    *ret_cost = run_crew(&crew, threads, seed);
    mm_destroy(manager);
    return true;
}

/* ---- a table ---- */

/* Of one number of threads. */
struct figures {
    struct series seconds, rate, cpu_ns; /* rate: accesses a second */
    struct series seconds_ratio, rate_ratio, cpu_ratio;
};

static void add_figures(struct figures *figures, const struct cost *cost, const struct cost *base)
{
    double rate = (double)cost->accesses / cost->seconds;
    double base_rate = (double)base->accesses / base->seconds;
    series_add(&figures->seconds, cost->seconds);
    series_add(&figures->rate, rate);
    series_add(&figures->cpu_ns, cost->cpu_ns);
    series_add(&figures->seconds_ratio, cost->seconds / base->seconds);
    series_add(&figures->rate_ratio, rate / base_rate);
    series_add(&figures->cpu_ratio, cost->cpu_ns / base->cpu_ns);
}

static const char *machine_name(enum mm_machine machine)
{
    return machine == MM_MACHINE_SOFT ? "soft" : "Linux";
}

/* Median and range; the JSON has both of every figure. */
static void print_ratio(const struct series *series, int width)
{
    char text[64];
    snprintf(text, sizeof(text), "%.2f (%.2f to %.2f)", series_median(series), series_min(series),
             series_max(series));
    printf("  %-*s", width, text);
}

static void print_head(const struct plan *plan, unsigned repeats)
{
    static const char *const whose[][2] = {
        {"", " in all"}, {" a thread", " a thread"}, {"", " a thread"}};
    uint64_t kib = plan->frames * MM_PAGE_SIZE / 1024;
    printf("\n%s machine, %s: %" PRIu64 " KiB of frames%s, %" PRIu64 " accesses%s%s, %u rounds\n",
           machine_name(plan->machine), kind_names[plan->kind], kib, whose[plan->kind][0],
           plan->accesses, whose[plan->kind][1], plan->cold ? ", cold" : "", repeats);
    printf("%7s %9s  %-18s %11s  %-20s %9s  %s\n", "threads", "seconds", "x first", "accesses/s",
           "x first", "CPU ns", "x first");
}

static void print_row(const struct plan *plan, uint64_t threads, const struct figures *figures)
{
    printf("%7" PRIu64, threads);
    printf(" %9.3f", series_median(&figures->seconds));
    print_ratio(&figures->seconds_ratio, 18);
    printf(" %11.0f", series_median(&figures->rate));
    print_ratio(&figures->rate_ratio, 20);
    printf(" %9.0f", series_median(&figures->cpu_ns));
    print_ratio(&figures->cpu_ratio, 18);
    if (plan->kind == KIND_AUTHOR && threads <= (uint64_t)sysconf(_SC_NPROCESSORS_ONLN)) {
        printf("  must %.2f %s", CLAIM,
               series_median(&figures->seconds_ratio) <= CLAIM ? "holds" : "MISSED");
    }
    printf("\n");
    fflush(stdout);
}

static void json_row(const struct plan *plan, uint64_t threads, const struct figures *figures)
{
    char name[80];
    snprintf(name, sizeof(name), "%s: %s machine, %s, %" PRIu64 " threads",
             plan->kind == KIND_AUTHOR ? "author" : "scaling", machine_name(plan->machine),
             plan->cold ? "cold" : kind_names[plan->kind], threads);
    row_json_begin(name);
    row_json_number("threads", (double)threads);
    row_json_number("frames", (double)plan->frames);
    row_json_number("accesses", (double)plan->accesses);
    row_json_number("repeats", (double)figures->seconds.count);
    row_json_series("seconds", &figures->seconds);
    row_json_series("accesses_per_second", &figures->rate);
    row_json_series("cpu_ns", &figures->cpu_ns);
    row_json_series("seconds_ratio", &figures->seconds_ratio);
    row_json_series("rate_ratio", &figures->rate_ratio);
    row_json_series("cpu_ratio", &figures->cpu_ratio);
    row_json_end();
}

/* Rounds over all numbers of threads; what the first cannot run the others cannot either. */
static void run_table(const struct plan *plan, const struct scaling_options *options)
{
    static struct figures figures[COUNTS_MOST];
    struct cost base = {0}, cost;
    memset(figures, 0, sizeof(figures));
    print_head(plan, options->repeats);
    for (unsigned r = 0; r < options->repeats; r++) {
        for (unsigned i = 0; i < options->counts; i++) {
            if (!run_plan(plan, (uint32_t)options->threads[i], r + 1, &cost)) {
                return;
            }
            base = i == 0 ? cost : base;
            add_figures(&figures[i], &cost, &base);
        }
    }
    for (unsigned i = 0; i < options->counts; i++) {
        print_row(plan, options->threads[i], &figures[i]);
        json_row(plan, options->threads[i], &figures[i]);
    }
}

/* ---- words ---- */

static bool parse_count(const char *text, size_t length, uint64_t most, uint64_t *ret_number)
{
    char digits[16];
    if (length == 0 || length >= sizeof(digits) || strspn(text, "0123456789") < length) {
        return false;
    }
    memcpy(digits, text, length);
    digits[length] = '\0';
    *ret_number = strtoull(digits, NULL, 10);
    return *ret_number >= 1 && *ret_number <= most;
}

static bool parse_threads(const char *text, struct scaling_options *options)
{
    options->counts = 0;
    for (;;) {
        size_t length = strcspn(text, ",");
        if (options->counts == COUNTS_MOST ||
            !parse_count(text, length, THREADS_MOST, &options->threads[options->counts++])) {
            return false;
        }
        if (text[length] == '\0') {
            return true;
        }
        text += length + 1;
    }
}

/* An option with a value. */
static bool parse_option(const char *name, const char *value, struct scaling_options *options)
{
    uint64_t number;
    size_t length = strlen(value);
    if (strcmp(name, "--machine") == 0) {
        options->one_machine = true;
        options->machine = strcmp(value, "soft") == 0 ? MM_MACHINE_SOFT : MM_MACHINE_LINUX;
        return options->machine == MM_MACHINE_SOFT || strcmp(value, "linux") == 0;
    }
    if (strcmp(name, "--threads") == 0) {
        return parse_threads(value, options);
    }
    if (strcmp(name, "--accesses") == 0) {
        return parse_count(value, length, 1u << 30, &options->accesses);
    }
    if (strcmp(name, "--frames") == 0) {
        return parse_count(value, length, 1u << 22, &options->frames) && options->frames >= 64;
    }
    if (strcmp(name, "--repeats") == 0 && parse_count(value, length, REPEATS_MAX, &number)) {
        options->repeats = (unsigned)number;
        return true;
    }
    if (strcmp(name, "--json") == 0) {
        options->json = value;
        return length > 0;
    }
    if (strcmp(name, "--commit") == 0) {
        options->commit = value;
        return length > 0;
    }
    return false;
}

static bool parse(const char *command, int count, char **arguments, struct scaling_options *options)
{
    bool author = strcmp(command, "author") == 0;
    for (int i = 0; i < count; i++) {
        const char *value = i + 1 < count ? arguments[i + 1] : "";
        if (author && strcmp(arguments[i], "--cold") == 0) {
            options->cold = true;
        } else if (parse_option(arguments[i], value, options)) {
            i++;
        } else {
            fprintf(stderr,
                    "memman-bench: %s '%s %s' is not --machine soft|linux, --threads 1..%u,..., "
                    "--accesses N, --frames 64.., --repeats 1..%d, --json FILE%s or --commit ID\n",
                    command, arguments[i], value, THREADS_MOST, REPEATS_MAX,
                    author ? ", --cold" : "");
            return false;
        }
    }
    return true;
}

/* As it is meant; on the Linux machine a fault takes the time of twenty. */
static struct plan plan_of(enum mm_machine machine, enum kind kind)
{
    if (kind == KIND_AUTHOR) {
        return (struct plan){
            .machine = machine, .kind = kind, .frames = 256 * 1024, .accesses = 1024 * 1024};
    }
    bool soft = machine == MM_MACHINE_SOFT;
    return (struct plan){.machine = machine,
                         .kind = kind,
                         .frames = soft ? 4096 : 1024,
                         .accesses = (soft ? 200000 : 16000) * (kind == KIND_STRONG ? 4 : 1)};
}

static void run_machine(enum mm_machine machine, enum kind kind,
                        const struct scaling_options *options)
{
    struct plan plan = plan_of(machine, kind);
    plan.cold = options->cold;
    plan.frames = options->frames != 0 ? options->frames : plan.frames;
    plan.accesses = options->accesses != 0 ? options->accesses : plan.accesses;
    run_table(&plan, options);
}

int bench_scaling(const char *command, int count, char **arguments)
{
    struct scaling_options options = {.threads = {1, 2, 4, 8, 16},
                                      .counts = 5,
                                      .repeats = 5,
                                      .machine = MM_MACHINE_SOFT,
                                      .commit = "unknown"};
    if (!parse(command, count, arguments, &options)) {
        return 2;
    }
    if (options.json != NULL && !rows_json(options.json, options.commit)) {
        return 3;
    }
    printf("MemoryManager %s, uniform, half of the accesses write; medians (and ranges)\n",
           MM_VERSION);
    bench_say_build();
    if (strcmp(command, "author") == 0) {
        run_machine(options.machine, KIND_AUTHOR, &options);
        return 0;
    }
    for (enum mm_machine machine = MM_MACHINE_SOFT; machine <= MM_MACHINE_LINUX; machine++) {
        if (!options.one_machine || machine == options.machine) {
            run_machine(machine, KIND_STRONG, &options);
            run_machine(machine, KIND_WEAK, &options);
        }
    }
    return 0;
}
