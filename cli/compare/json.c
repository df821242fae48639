/*
 * json.c - a comparison for scripts: what was found of each configuration, and every run.
 *
 * Figures are for one access. Keys may be added, none is ever renamed.
 */
#include "compare/comparison.h"
#include "report/json_writer.h"

static void settings_write(struct json_writer *json, const struct configuration *configuration)
{
    json_begin(json, "options", '{');
    for (unsigned i = 0; i < configuration->settings; i++) {
        const struct setting *setting = &configuration->setting[i];
        char key[OPTION_KEY_BYTES];

        option_key_print(setting->option, key);
        json_string(json, key, setting->text);
    }
    json_end(json, '}');
}

/* Without an interval low and high are the least and the most there was, and confidence is 0. */
static void finding_write(struct json_writer *json, const struct finding *finding)
{
    const struct interval *ratio = &finding->ratio;

    json_real(json, "median", finding->median);
    if (!finding->compared) {
        json_string(json, "ratio", NULL);
        return;
    }
    json_begin(json, "ratio", '{');
    json_real(json, "median", ratio->median);
    json_real(json, "low", ratio->low);
    json_real(json, "high", ratio->high);
    json_bool(json, "differs", interval_excludes(ratio, 1));
    json_end(json, '}');
}

static void runs_write(struct json_writer *json, const struct comparison *comparison,
                       unsigned number)
{
    json_begin(json, "runs", '[');
    for (unsigned round = 0; round < comparison->rounds; round++) {
        const struct sample *sample = &comparison->sample[number][round];

        json_begin(json, NULL, '{');
        json_number(json, "seed", comparison->options.value[OPTION_SEED].number + round);
        json_number(json, "place", sample->place);
        for (unsigned i = 0; i < MEASURE_COUNT; i++) {
            json_real(json, measure_keys[i], sample->value[i]);
        }
        json_end(json, '}');
    }
    json_end(json, ']');
}

static void configuration_write(struct json_writer *json, const struct comparison *comparison,
                                unsigned number)
{
    const struct configuration *configuration = &comparison->plan.configuration[number];

    json_begin(json, NULL, '{');
    json_string(json, "name", configuration->name);
    settings_write(json, configuration);
    json_begin(json, "measures", '{');
    for (unsigned i = 0; i < MEASURE_COUNT; i++) {
        json_begin(json, measure_keys[i], '{');
        finding_write(json, &comparison->finding[number][i]);
        json_end(json, '}');
    }
    json_end(json, '}');
    runs_write(json, comparison, number);
    json_raw(json, "config", comparison->config[number]);
    json_end(json, '}');
}

void comparison_print_json(const struct comparison *comparison, FILE *file)
{
    struct json_writer json = {.file = file};

    json_begin(&json, NULL, '{');
    json_string(&json, "version", MM_VERSION);
    json_number(&json, "rounds", comparison->rounds);
    json_real(&json, "confidence", comparison->finding[0][MEASURE_WALL].ratio.confidence);
    json_bool(&json, "interrupted", comparison->interrupted);
    json_begin(&json, "configurations", '[');
    for (unsigned i = 0; i < comparison->plan.configurations; i++) {
        configuration_write(&json, comparison, i);
    }
    json_end(&json, ']');
    json_end(&json, '}');
}
