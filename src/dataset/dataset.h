/* The inside of datasets.
 *
 * A dataset is a list of sources and a rule that cuts them into documents.
 * What is small enough is kept in memory as well; what is not is read again
 * each time, in blocks, and comes out the same.
 *
 * Read sources.c (which files), read.c (files to documents), dataset.c (what
 * is kept), split.c (training and held-out parts). */
#pragma once

#include "base/base.h"

typedef enum lh_source_kind { LH_SOURCE_TEXT, LH_SOURCE_JSONL,
                              LH_SOURCE_IDS16, LH_SOURCE_IDS32 }
    lh_source_kind;

/* A line of JSONL may have so many bytes. */
enum { LH_RECORD = 1 << 24 };

typedef struct lh_source {
    lh_source_kind kind;
    char *path;                        /* owned                            */
    char *name;                        /* in messages, owned               */
    int64_t offset, size;              /* of the data in it, in bytes      */
    bool held_out;
    const char *text;                  /* in memory; NULL: in the file     */
    lh_buffer owned;                   /* what has no size beforehand      */
} lh_source;

struct lh_dataset {
    lh_context *ctx;
    lh_source *source;                 /* [sources], held-out ones last    */
    int64_t sources;
    size_t room;                       /* of source                        */
    lh_data_facts facts;
    char *separator;                   /* owned; NULL: none                */
    const lh_tokenizer *tokenizer;     /* of token files; borrowed         */
    const char *input;                 /* what "-" is; NULL: a name        */
    bool (*on_read)(void *user);       /* see lh_sources                   */
    void *user;
    lh_buffer notes;                   /* each followed by a NUL           */
    int kept;                          /* notes in it                      */
    /* What is in memory: facts.loaded. */
    lh_buffer text;                    /* all documents                    */
    size_t *starts;                    /* [documents + 1], into text       */
    size_t starts_room;
    uint64_t *slots;                   /* [mask + 1], 0 for none; or NULL  */
    size_t mask;
};

/* Adds a file, the files of a folder, or those that a pattern names. */
LH_INTERNAL lh_status lh_sources_add(lh_dataset *d, const char *path,
                                     bool held_out);
LH_INTERNAL lh_source *lh_source_new(lh_dataset *d, const char *path,
                                     const char *name);
/* A line about something left out, or odd; the first few are kept. */
LH_INTERNAL lh_status lh_dataset_noted(lh_dataset *d, const char *format,
                                       ...) LH_PRINTF(2, 3);

/* The documents of all sources.  `report`, not NULL in the first reading,
 * receives what lh_data_facts counts and the notes. */
LH_INTERNAL lh_status lh_sources_read(lh_context *ctx, const lh_dataset *d,
                                      lh_dataset *report, lh_read_piece *on,
                                      void *user);
