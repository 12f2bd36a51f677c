# Longhand's build.  `make` leaves everything in build/, `make run` trains a
# model and writes names, `make test` tests; needs a C compiler, make and sh.
#
#   make CC=clang CFLAGS=-O0 BUILD=build/clang-O0    another one beside it
#   make install PREFIX=/usr/local DESTDIR=          (and uninstall)
#
# Reading order: what is built from what, how, then the targets that test.

CC       ?= cc
CFLAGS   ?= -O2 -g0
BUILD    ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
WARNINGS ?= -Wall -Wextra
LDFLAGS  ?=
LDLIBS   := -lm -lpthread

# No flag chooses an instruction set or an arithmetic: the sources do both,
# so that the library can be dropped into any build.
COMPILE = $(CC) -std=c11 $(WARNINGS) $(CFLAGS) -MMD -MP

VERSION := $(shell sed -n 's/^.define LH_VERSION "\(.*\)"/\1/p' \
                   include/longhand.h)
MAJOR   := $(firstword $(subst ., ,$(VERSION)))

# ------------------------------------------------------------------- parts --

# The rooms, from the ground up: also the order of the amalgamation.
ROOMS := base kernels autograd dataset tokenizer formats model train infer
LIB_C := $(foreach room,$(ROOMS),$(sort $(wildcard src/$(room)/*.c)))
CLI_C := $(sort $(wildcard src/cli/*.c))
SOURCES := $(LIB_C) $(CLI_C) include/longhand.h \
           $(foreach room,$(ROOMS) cli,$(wildcard src/$(room)/*.h) \
                                       $(wildcard src/$(room)/*.def))

LIB_O := $(LIB_C:%.c=$(BUILD)/%.o)
CLI_O := $(CLI_C:%.c=$(BUILD)/%.o)

PROGRAM  := $(BUILD)/longhand
LIBRARY  := $(BUILD)/liblonghand.a
SHARED   := $(BUILD)/liblonghand.so
EXAMPLES := $(patsubst examples/%.c,$(BUILD)/examples/%, \
                       $(sort $(wildcard examples/*.c)))
TEST_ALL := $(patsubst tests/%.c,$(BUILD)/tests/%, \
                       $(sort $(wildcard tests/*.c)))
TESTS    := $(filter $(BUILD)/tests/test_%,$(TEST_ALL))
SCRIPTS  := $(filter-out tests/sabotage.sh,$(sort $(wildcard tests/*.sh)))

.PHONY: all run test check check-all bench bench-peers bench-kernels \
        bench-tokenizers sabotage budget \
        oracles install uninstall clean programs
.DELETE_ON_ERROR:
.SUFFIXES:

all: $(PROGRAM) $(LIBRARY) $(SHARED) $(BUILD)/longhand.c $(BUILD)/longhand.h \
     $(BUILD)/longhand.1 $(BUILD)/longhand.pc $(EXAMPLES)

# ------------------------------------------------------------------- rules --

# Holds the compiler and its flags; changes, and so rebuilds all, with them.
$(BUILD)/flags: force
	@mkdir -p $(@D) $(sort $(dir $(LIB_O) $(CLI_O)))
	@echo '$(COMPILE) $(LDFLAGS)' | cmp -s - $@ || \
	 echo '$(COMPILE) $(LDFLAGS)' > $@
.PHONY: force

# What is read, written or said once, or leaves the work to kernels, does not
# need what -O2 adds, which is a third of the time to compile it.  tape.c has
# micro's nodes of 30 ns.
COLD := $(filter-out src/autograd/tape.c,$(filter \
            $(addprefix src/,autograd/% cli/% dataset/% formats/% model/% \
                train/%) \
            src/tokenizer/read% src/tokenizer/tokenizer_json.c \
            $(addprefix src/tokenizer/,load.c train.c) \
            $(addprefix src/base/,file.c number.c) \
            $(addprefix src/kernels/,cpu.c limits.c mixed.c selftest.c \
                table.c), $(LIB_C) $(CLI_C)))
$(COLD:%.c=$(BUILD)/%.o): COLDER := $(if $(filter -O2,$(CFLAGS)),-O1)

# One set of objects serves the static and the shared library.
$(BUILD)/src/%.o: src/%.c $(BUILD)/flags
	$(COMPILE) $(COLDER) -fPIC -fvisibility=hidden -Iinclude -Isrc -c $< -o $@

$(LIBRARY): $(LIB_O)
	@rm -f $@
	$(AR) rcs $@ $(LIB_O)

$(SHARED): $(LIB_O)
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,liblonghand.so.$(MAJOR) \
	    -Wl,-Bsymbolic-functions -o $@ $(LIB_O) $(LDLIBS)

$(PROGRAM): $(CLI_O) $(LIBRARY)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(CLI_O) $(LIBRARY) $(LDLIBS)

$(BUILD)/longhand.h: tools/amalgamate $(SOURCES)
	@mkdir -p $(@D)
	sh tools/amalgamate header > $@

$(BUILD)/longhand.c: tools/amalgamate $(SOURCES)
	@mkdir -p $(@D)
	sh tools/amalgamate source $(LIB_C) > $@

$(BUILD)/longhand.1: $(PROGRAM)
	$(PROGRAM) --man > $@

# $(call pkgconfig,FILE)
pkgconfig = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' \
            tools/longhand.pc.in > $(1)
$(BUILD)/longhand.pc: tools/longhand.pc.in include/longhand.h
	@mkdir -p $(@D)
	$(call pkgconfig,$@)

# Examples see what a user sees: the generated header and the library.
$(BUILD)/examples/%: examples/%.c $(BUILD)/longhand.h $(LIBRARY) \
                     $(BUILD)/flags
	@mkdir -p $(@D)
	$(COMPILE) -I$(BUILD) $(LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS)

$(BUILD)/tests/%: tests/%.c $(LIBRARY) $(BUILD)/flags
	@mkdir -p $(@D)
	$(COMPILE) -Iinclude -Isrc $(LDFLAGS) -o $@ $< $(LIBRARY) $(LDLIBS)

$(BUILD)/tools/%: tools/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(COMPILE) -Iinclude -Isrc $(LDFLAGS) -o $@ $< $(LDLIBS)

$(BUILD)/tools/bench_blas: LDLIBS += -ldl
# By hand for one width: bench_fused16 and so on.  gcc 12 makes the faster one
# at 16, clang 14, where it is installed, of the wider ones.
fused_cc = $(or $(if $(filter 16,$*),,$(shell command -v clang)),$(CC))
$(BUILD)/tools/bench_fused%: tools/bench_fused.c
	@mkdir -p $(@D)
	$(fused_cc) -O3 -march=native -ffast-math -DWIDTH=$* -o $@ $< -lm
$(BUILD)/tools/bench_tokenizer: LDLIBS := $(LIBRARY) $(LDLIBS)
$(BUILD)/tools/bench_tokenizer: $(LIBRARY)

docs/ops.md: $(BUILD)/tools/op_reference
	@mkdir -p docs
	$(BUILD)/tools/op_reference > $@

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ----------------------------------------------------------------- targets --

run: $(PROGRAM)
	@rm -rf $(BUILD)/names
	$(PROGRAM) train --out $(BUILD)/names

programs: all $(TEST_ALL)

test: programs
	@BUILD=$(BUILD) sh tools/run_tests.sh $(TESTS) $(SCRIPTS)

check: programs
	@BUILD=$(BUILD) sh tools/check.sh

check-all: programs
	@BUILD=$(BUILD) sh tools/check.sh all

bench: $(PROGRAM)
	$(PROGRAM) bench

# ROWS chooses rows by how their names begin; those of tokenizers, which have
# an environment of their own, by "tokenizer".
PEERS = $(if $(ROWS),$(or $(filter tokenizer%,$(firstword $(ROWS))),kernels))
bench-peers: $(if $(filter tokenizer%,$(PEERS)),,bench-kernels) \
             $(if $(filter kernels,$(PEERS)),,bench-tokenizers)

bench-kernels: $(PROGRAM) $(BUILD)/tools/bench_blas .venv/peers \
               $(addprefix $(BUILD)/tools/bench_fused,16 32 64 128)
	.venv/bin/python tools/bench_peers.py $(PROGRAM) \
	    $(BUILD)/tools/bench_blas $(ROWS)

bench-tokenizers: $(BUILD)/tools/bench_tokenizer $(BUILD)/bench-text \
                  $(BUILD)/tests/tool_tokenizer
	.venv/tokenizers/bin/python tools/bench_tokenizers.py $(BUILD) \
	    $(BUILD)/bench-text $(ROWS)

$(BUILD)/bench-text: tools/bench_text.py .venv/tokenizers/peers
	.venv/tokenizers/bin/python tools/bench_text.py $@ \
	    .venv/lib/*/site-packages \
	    .venv/tokenizers/lib/*/site-packages

sabotage:
	@sh tests/sabotage.sh

budget: all
	@BUILD=$(BUILD) sh tools/budget.sh

.venv/ready: tests/requirements.txt
	python3 -m venv .venv
	.venv/bin/pip install --quiet --requirement tests/requirements.txt
	touch $@

.venv/peers: bench/requirements.txt .venv/ready
	.venv/bin/pip install --quiet --requirement bench/requirements.txt
	touch $@

.venv/tokenizers/ready: tests/tokenizers.txt .venv/ready
	python3 -m venv .venv/tokenizers
	.venv/tokenizers/bin/pip install --quiet --no-deps \
	    --requirement tests/tokenizers.txt
	touch $@

.venv/tokenizers/peers: bench/tokenizers.txt .venv/tokenizers/ready
	.venv/tokenizers/bin/pip install --quiet --no-deps \
	    --requirement bench/tokenizers.txt
	touch $@

oracles: programs .venv/ready .venv/tokenizers/ready
	@BUILD=$(BUILD) sh tools/oracles.sh

# What a package holds, relative to DESTDIR$(PREFIX).
INSTALLED := bin/longhand lib/liblonghand.a lib/liblonghand.so \
             lib/liblonghand.so.$(MAJOR) lib/liblonghand.so.$(VERSION) \
             include/longhand.h lib/pkgconfig/longhand.pc \
             share/man/man1/longhand.1
ROOT = $(DESTDIR)$(PREFIX)

install: all
	install -d $(addprefix $(ROOT)/,bin lib/pkgconfig include share/man/man1)
	install -m 755 $(PROGRAM) $(ROOT)/bin/longhand
	install -m 644 $(LIBRARY) $(ROOT)/lib/liblonghand.a
	install -m 755 $(SHARED) $(ROOT)/lib/liblonghand.so.$(VERSION)
	ln -sf liblonghand.so.$(VERSION) $(ROOT)/lib/liblonghand.so.$(MAJOR)
	ln -sf liblonghand.so.$(MAJOR) $(ROOT)/lib/liblonghand.so
	install -m 644 $(BUILD)/longhand.h $(ROOT)/include/longhand.h
	$(call pkgconfig,$(ROOT)/lib/pkgconfig/longhand.pc)
	install -m 644 $(BUILD)/longhand.1 $(ROOT)/share/man/man1/longhand.1

uninstall:
	rm -f $(addprefix $(ROOT)/,$(INSTALLED))

clean:
	rm -rf $(BUILD)
