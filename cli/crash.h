/*
 * crash.h - when the engine finds a promise broken and ends the process: how to repeat it.
 *
 * The engine has printed what and where; what only the command knows is how it came about. The
 * exit code is that of every other broken invariant.
 */
#ifndef MM_CLI_CRASH_H
#define MM_CLI_CRASH_H

/* From now on; `command` stays valid. */
void crash_prepare(const char *command);

#endif
