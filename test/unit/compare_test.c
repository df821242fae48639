/*
 * compare_test.c - what a comparison is made of: JSON read back, figures of a report, configurations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare/measures.h"
#include "compare/plan.h"
#include "report/json_reader.h"
#include "report/json_writer.h"

/* ---- JSON ---------------------------------------------------------------------------------- */

static const char nested[] = "{\n  \"a\": {\"b\": [10, {\"c\": -2.5e1}, []], \"empty\": {}},\n"
                             "  \"b\\\"}\": \"x,}]\\\"\",\n  \"last\": null\n}\n";

static void assert_found(const char *path, const char *wanted)
{
    const char *value;
    size_t length;

    assert_true(json_find(nested, path, &value, &length));
    assert_int_equal(length, strlen(wanted));
    assert_memory_equal(value, wanted, length);
}

static void values_are_found(void **state)
{
    const char *value;
    size_t length;
    double real;

    (void)state;
    assert_found("a.b.0", "10");
    assert_found("a.b.1.c", "-2.5e1");
    assert_found("a.b.2", "[]");
    assert_found("a.empty", "{}");
    assert_found("b\\\"}", "\"x,}]\\\"\"");
    assert_found("last", "null");
    static const char *const missing[] = {"b",         "a.c",    "a.b.3", "a.b.2.0",
                                          "a.empty.x", "last.x", "la"};
    for (unsigned i = 0; i < sizeof(missing) / sizeof(missing[0]); i++) {
        assert_false(json_find(nested, missing[i], &value, &length));
    }
    assert_true(json_find_real(nested, "a.b.1.c", &real));
    assert_float_equal(real, -25, 0);
    assert_false(json_find_real(nested, "last", &real));
    assert_false(json_find_real(nested, "a", &real));
}

/* Whatever is cut off or changed: no read past the end. */
static void damaged_text_is_walked_safely(void **state)
{
    static const char *const paths[] = {"a.b.1.c", "a.b.9", "b", "last", "a.empty.x"};
    const char marks[] = "\"{}[],:\\x";

    (void)state;
    for (size_t length = 0; length < sizeof(nested); length++) {
        for (size_t mark = 0; mark < sizeof(marks); mark++) {
            char *text = malloc(length + 1); /* its end is watched by AddressSanitizer */
            const char *value;
            size_t found;

            assert_non_null(text);
            memcpy(text, nested, length);
            if (length > 0) {
                text[length - 1] = marks[mark];
            }
            text[length] = '\0';
            for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                if (json_find(text, paths[i], &value, &found)) {
                    assert_true(value >= text && value + found <= text + length);
                }
            }
            free(text);
        }
    }
}

static void what_is_written_is_found(void **state)
{
    char text[512];
    FILE *file = fmemopen(text, sizeof(text), "w");
    struct json_writer json = {.file = file};
    double real;

    (void)state;
    assert_non_null(file);
    json_begin(&json, NULL, '{');
    json_string(&json, "text", "a \"quoted\" {word}");
    json_begin(&json, "list", '[');
    json_number(&json, NULL, 7);
    json_raw(&json, NULL, "{\"raw\": 8}");
    json_end(&json, ']');
    json_real(&json, "real", 0.125);
    json_end(&json, '}');
    fclose(file);
    assert_true(json_find_real(text, "list.0", &real) && real > 6.5 && real < 7.5);
    assert_true(json_find_real(text, "list.1.raw", &real) && real > 7.5 && real < 8.5);
    assert_true(json_find_real(text, "real", &real));
    assert_float_equal(real, 0.125, 0);
}

/* ---- figures ------------------------------------------------------------------------------- */

static const char report[] =
    "{\"config\": {\"machine\": \"soft\", \"fault_around\": 1, \"trim_batch\": 512},"
    " \"seconds\": 0.5, \"cpu_seconds\": {\"users\": 0.25, \"workers\": 0.75}, \"accesses\": 1000,"
    " \"faults\": {\"hard\": 100, \"transition\": 20, \"demand_zero\": 30, \"write_protect\": 4},"
    " \"moves\": {\"trimmed_clean\": 5, \"trimmed_dirty\": 15},"
    " \"machine\": {\"flushes\": 2}, \"io\": {\"reads\": 60, \"pages_read\": 110, \"writes\": 40,"
    " \"pages_written\": 90},"
    " \"locks\": [{\"wait_ns\": 1000}, {\"wait_ns\": 2000}]}";

static void figures_are_for_one_access(void **state)
{
    struct sample sample;

    (void)state;
    assert_true(sample_read(report, &sample));
    assert_float_equal(sample.value[MEASURE_WALL], 500000, 1e-6);
    assert_float_equal(sample.value[MEASURE_CPU], 1000000, 1e-6);
    assert_float_equal(sample.value[MEASURE_LOCK_WAIT], 3, 1e-9);
    assert_float_equal(sample.value[MEASURE_HARD], 0.1, 1e-9);
    assert_float_equal(sample.value[MEASURE_TRIMMED], 0.02, 1e-9);
    assert_float_equal(sample.value[MEASURE_IOS], 0.1, 1e-9);
    assert_false(sample_read("{\"accesses\": 0}", &sample));
    assert_false(sample_read("{\"accesses\": 1}", &sample));
}

/* The machine slows down as it goes; the second configuration takes twice as long all the same. */
static void pairs_are_of_one_round(void **state)
{
    struct sample first[9] = {0}, own[9] = {0};
    struct finding finding;
    double room[9];

    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        first[i].value[MEASURE_WALL] = (double)(1 + i) * (1 + i);
        own[i].value[MEASURE_WALL] = 2 * first[i].value[MEASURE_WALL];
        own[i].value[MEASURE_HARD] = 5;
    }
    finding_make(first, own, 9, MEASURE_WALL, room, &finding);
    assert_true(finding.compared);
    assert_float_equal(finding.median, 50, 1e-9);
    assert_float_equal(finding.ratio.low, 2, 1e-9);
    assert_float_equal(finding.ratio.high, 2, 1e-9);
    assert_true(interval_excludes(&finding.ratio, 1));
    finding_make(first, own, 9, MEASURE_HARD, room, &finding);
    assert_false(finding.compared);
    assert_float_equal(finding.median, 5, 1e-9);
}

/* ---- configurations ------------------------------------------------------------------------ */

static void every_combination_of_values(void **state)
{
    static const char *const names[] = {
        "--policy aging --store ram", "--policy aging --store file:/a,io=sync",
        "--policy fifo --store ram", "--policy fifo --store file:/a,io=sync"};
    struct plan plan = {0};

    (void)state;
    assert_true(plan_vary(&plan, "policy=aging,fifo"));
    assert_true(plan_vary(&plan, "store=ram,file:/a,,io=sync"));
    assert_true(plan_make_varied(&plan));
    assert_int_equal(plan.configurations, 4);
    for (unsigned i = 0; i < 4; i++) {
        struct options options = {0};

        assert_string_equal(plan.configuration[i].name, names[i]);
        assert_true(plan_apply(&plan.configuration[i], &options));
        assert_string_equal(options.value[OPTION_POLICY].text, i < 2 ? "aging" : "fifo");
        assert_string_equal(options.value[OPTION_STORE].text, i % 2 ? "file:/a,io=sync" : "ram");
    }
    plan_free(&plan);
}

static const struct configuration *configuration_with(const struct plan *plan, enum option option)
{
    for (unsigned i = 0; i < plan->configurations; i++) {
        if (plan->configuration[i].settings == 1 &&
            plan->configuration[i].setting[0].option == option) {
            return &plan->configuration[i];
        }
    }
    return NULL;
}

static void what_is_on_goes_off_and_what_is_off_goes_on(void **state)
{
    struct plan plan = {0};

    (void)state;
    assert_true(plan_ablate(&plan, NULL));
    assert_true(plan_make_ablation(&plan, report));
    assert_int_equal(plan.configuration[0].settings, 0);
    assert_int_equal(plan.configuration[1].settings, 0);
    assert_string_equal(configuration_with(&plan, OPTION_TRIM_BATCH)->name, "--trim-batch 1");
    assert_string_equal(configuration_with(&plan, OPTION_FAULT_AROUND)->name, "--fault-around 8");
    assert_string_equal(configuration_with(&plan, OPTION_TLB)->name, "--tlb 0");
    for (unsigned i = 0; i < plan.configurations; i++) {
        struct options options = {0};
        assert_true(plan_apply(&plan.configuration[i], &options));
    }
}

static void the_named_ones_alone(void **state)
{
    struct plan plan = {0};

    (void)state;
    assert_true(plan_ablate(&plan, "backoff,trim-batch"));
    assert_true(plan_make_ablation(&plan, report));
    assert_int_equal(plan.configurations, 4);
    assert_non_null(configuration_with(&plan, OPTION_BACKOFF));
    assert_non_null(configuration_with(&plan, OPTION_TRIM_BATCH));
}

static void the_tlb_is_the_soft_machines(void **state)
{
    struct plan plan = {0};

    (void)state;
    assert_true(plan_ablate(&plan, NULL));
    assert_true(plan_make_ablation(&plan, "{\"config\": {\"machine\": \"linux\"}}"));
    assert_null(configuration_with(&plan, OPTION_TLB));
    assert_non_null(configuration_with(&plan, OPTION_TRANSFER_BATCH));
}

static void transfers_are_the_linux_machines(void **state)
{
    struct plan plan = {0};

    (void)state;
    assert_true(plan_ablate(&plan, NULL));
    assert_true(plan_make_ablation(&plan, "{\"config\": {\"machine\": \"soft\"}}"));
    assert_null(configuration_with(&plan, OPTION_TRANSFER_BATCH));
    assert_non_null(configuration_with(&plan, OPTION_TLB));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(damaged_text_is_walked_safely),
        cmocka_unit_test(what_is_written_is_found),
        cmocka_unit_test(figures_are_for_one_access),
        cmocka_unit_test(pairs_are_of_one_round),
        cmocka_unit_test(every_combination_of_values),
        cmocka_unit_test(what_is_on_goes_off_and_what_is_off_goes_on),
        cmocka_unit_test(the_named_ones_alone),
        cmocka_unit_test(the_tlb_is_the_soft_machines),
        cmocka_unit_test(transfers_are_the_linux_machines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
