/*
 * command.h - `memman trace info|convert|head`: describes, converts and shows traces.
 */
#ifndef MM_CLI_TRACE_COMMAND_H
#define MM_CLI_TRACE_COMMAND_H

#include "exit.h"
#include "trace/trace.h"

enum exit_code trace_command(int count, char *words[]);

/* Of a byte in a page, hexadecimal; where pages are ids it may have more than 64 bits. */
#define ADDRESS_TEXT_BYTES 33
const char *page_address_print(uint64_t page, uint32_t page_bytes, uint32_t offset,
                               char ret_text[ADDRESS_TEXT_BYTES]);

/* `info`: all of the trace, as text or as JSON into this file (NULL: text). */
enum exit_code trace_info_print(struct trace *trace, const char *path, const char *json);

#endif
