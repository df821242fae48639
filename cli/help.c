/*
 * help.c - `memman help`, from the table of options.
 */
#include "help.h"

#include <string.h>

#include "judge/command.h"
#include "options.h"

#define HELP_COLUMN 36

static const char *value_name(const struct option_info *info)
{
    switch (info->kind) {
    case OPTION_CHOICE:
        return info->choices;
    case OPTION_SIZE:
        return "SIZE";
    case OPTION_FRAMES_SIZE:
        return "SIZE|auto[:SLOWDOWN]";
    case OPTION_RANGE:
        return "SIZE[..MAX]";
    case OPTION_REAL:
        return "NUMBER";
    case OPTION_TEXT:
        return "NAME";
    case OPTION_FILE:
        return "FILE";
    case OPTION_FLAG:
        return "";
    case OPTION_NUMBER:
        return info->choices != NULL ? "on|off|N" : "N";
    default:
        return "N";
    }
}

static void option_help_print(const struct option_info *info, FILE *file)
{
    const char *line = info->help;
    int column;

    if (info->heading) {
        fprintf(file, "\n%s\n", info->heading);
    }
    column = fprintf(file, "  --%s %s", info->name, value_name(info));
    for (;;) {
        const int length = (int)strcspn(line, "\n");
        fprintf(file, "%*s%.*s\n", column < HELP_COLUMN ? HELP_COLUMN - column : 1, "", length,
                line);
        if (line[length] == '\0') {
            return;
        }
        line += length + 1;
        column = 0;
    }
}

enum exit_code help_print(FILE *file)
{
    fputs("memman " MM_VERSION ": a memory manager with more memory than frames\n"
          "\n"
          "  memman run [options]    a workload on the engine; checks every byte and reports\n"
          "  memman sim [options]    the engine in a deterministic world, drawn from a seed;\n"
          "                          'memman sim --help' lists the options\n"
          "  memman compare [options of memman run] --ablate[=NAME,NAME...] [--rounds N]\n"
          "                          what each mechanism buys: the same runs with one after the\n"
          "                          other off, time as ratios with 95 % intervals\n"
          "  memman compare [options of memman run] --vary NAME=VALUE,VALUE... [--rounds N]\n"
          "                          every combination of these values, the first is what the\n"
          "                          others are compared with; --vary may be given again; a comma\n"
          "                          in a value is written twice (--rounds: 6 to 1000, default 9)\n"
          "  memman compare TRACE... [--policy NAME,NAME...] [--frames N%|SIZE,...]\n"
          "                 [--machine soft|linux] [--standby N] [--costs US,US,US] [--csv FILE]\n"
          "                 [--json FILE]\n"
          "                          what recorded references cost each policy: hard and soft\n"
          "                          faults, pages written, beside opt, the fewest there can be.\n"
          "                          --frames: shares of the trace's pages, or sizes (default:\n"
          "                          10%,25%,50%); --costs: microseconds of a hard fault, a soft\n"
          "                          one and a page written (default: 40,0.3,5.3)\n"
          "                          --machine linux: the engine's policies see no accessed bits;\n"
          "                          --standby: percent of the frames that they keep available\n"
          "                          (default: 20, on linux 25, segfifo 50)\n"
          "  memman compare TRACE... --frames auto[:SLOWDOWN] [the same]\n"
          "                          how much memory a program needs: of each policy the\n"
          "                          frames with which it takes at most SLOWDOWN times as long as\n"
          "                          with any number (default: 1.1). Time is accesses, first\n"
          "                          touches as soft faults, and faults and pages written as\n"
          "                          above; a fourth of --costs is that of an access, 0.001\n"
          "  memman compare TRACE... --curve [--sample PAGES] [the same]\n"
          "                          misses by memory: lru at every size at once, opt at every\n"
          "                          one of up to 2048 pages, else at up to 2048; the others at\n"
          "                          each of --frames (default: 5%,10%,...,100%), of a trace with\n"
          "                          more than --sample pages (default: 8192) by a sample of as\n"
          "                          many. --csv and --json have each point where it changes\n"
          "  memman compare TRACE... --report FILE [the same]\n"
          "                          --curve as a page for a browser: every policy beside opt,\n"
          "                          by misses, faults, pages written and cost\n"
          "  memman record -o FILE [--filter N] [--page SIZE] [--references N] [--code] [--quiet]\n"
          "                -- PROGRAM [ARGUMENTS]\n"
          "                          the page trace of a program as it is, by QEMU's user mode;\n"
          "                          exits as the program does. --filter: 0 keeps every access,\n"
          "                          default 64; --references: stop after so many; --code: pages\n"
          "                          of instructions too; FILE.gz and FILE.zst are packed\n"
          "  memman trace info FILE [--json FILE]\n"
          "  memman trace convert FILE -o FILE [--to FORMAT] [-n COUNT]\n"
          "  memman trace head FILE [-n COUNT]\n"
          "                          what is in a trace; in another format; its first references.\n"
          "                          These and compare take --format memman|lackey|address|din|\n"
          "                          ls|txt|csv|oracleGeneral (default: found), --page SIZE,\n"
          "                          --column N and --code\n"
          "  memman states [--format text|dot|markdown]\n"
          "                          every state, move and lock\n"
          "  memman help | --help    this text\n"
          "  memman --version\n",
          file);
    fputs("\nOptions of memman run\n", file);
    for (unsigned option = 0; option < OPTION_COUNT; option++) {
        option_help_print(&option_table[option], file);
    }
    fputs("\nPolicies of memman compare TRACE\n", file);
    judge_help_print(file);
    fputs("\n"
          "Exit code: 0 good; 1 wrong data or a broken invariant was found; 2 usage;\n"
          "3 the system refuses. Ctrl-C stops a run and still checks and reports.\n",
          file);
    return fflush(file) == 0 ? EXIT_GOOD : EXIT_REFUSED;
}
