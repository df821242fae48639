/*
 * record.h - `memman record`: the page trace of an unmodified program.
 */
#ifndef MM_CLI_RECORD_RECORD_H
#define MM_CLI_RECORD_RECORD_H

/*
 * What the program exits with; 128 and the number of the signal that killed it; 127 where there is
 * no such program, 126 where it cannot be run; 2 usage; 3 the system refuses.
 */
int record_command(int count, char *words[]);

#endif
