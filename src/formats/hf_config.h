/* config.json: what an architecture of Hugging Face calls our numbers.
 *
 * Four "model_type"s: "gpt2" (GPT2LMHeadModel), "llama" (LlamaForCausalLM)
 * and "nanochat" (NanoChatForCausalLM of transformers 5, up to the order of
 * rotation and norm) where the config is exactly what that class computes,
 * else "longhand", which holds every field of lh_config under its own name.
 * Reading takes all four and refuses, by name, fields whose values we do
 * not have. */
#pragma once

#include "base/base.h"

typedef enum lh_layout { LH_LAYOUT_LONGHAND, LH_LAYOUT_GPT2,
                         LH_LAYOUT_LLAMA, LH_LAYOUT_NANOCHAT } lh_layout;

/* The layout that can say this config without loss. */
LH_INTERNAL lh_layout lh_layout_of(const lh_config *config);

LH_INTERNAL lh_status lh_config_write(lh_context *ctx, lh_buffer *buffer,
                                      const lh_config *config,
                                      int32_t border, lh_weights weights);
LH_INTERNAL lh_status lh_config_read(lh_context *ctx, const char *where,
                                     const char *text, size_t size,
                                     lh_config *config, lh_layout *layout);

/* The name that a parameter of ours ("model.layers.0.self_attn.q_proj.weight"
 * ...) has in a layout's file, into name[128].  GPT-2's file fuses q, k and v
 * (c_attn) and stores its matrices transposed (Conv1D): `part` receives
 * 0, 1, 2 for q, k, v in a fused tensor, -1 for a whole one, `transposed`
 * whether the file has it [in, out]. */
LH_INTERNAL void lh_layout_name(lh_layout layout, const char *ours,
                                char name[128], int *part, bool *transposed);
