# SPDX-License-Identifier: Apache-2.0
#
# Builds one of the plant's inmates. Its Makefile sets NAME, SSE and MODEL (files of ../model) before.
#
#   LIBM=FILE   links sin(), cos() and atan2() from that static library, for example
#               /usr/lib/x86_64-linux-musl/libc.a (Debian: musl-dev) or openlibm's libopenlibm.a,
#               instead of the plant's own of model/plantmath.c. The images kept in the repository are
#               built without.

SOURCES := main.c bus.c cycle.c plantmath.c $(MODEL)
VPATH := ../model ../common

GAOLER_INMATES ?= ../../../inmates/lib
include $(GAOLER_INMATES)/inmate.mk

CFLAGS += -I../model -I../common

ifneq ($(LIBM),)
CFLAGS += -DUSE_LIBM
# The linker takes of it what is asked for.
$(OUT)/$(NAME).elf: $(LIBM)
endif
