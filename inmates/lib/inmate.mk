# SPDX-License-Identifier: Apache-2.0
#
# Builds one inmate. Its Makefile sets, before including this file:
#
#   NAME      name of the image (required)
#   SOURCES   its C and assembly files                    (main.c)
#   BITS      64, or 32 for protected mode                (64)
#   BOOT      zero: CPUs start at address 0;
#             reset-vector: at 0xffff0, 64 KiB image      (zero)
#   SSE       no:   the compiler must not use SSE
#             code: it may, and the inmate enables it by inmate_enable_sse()
#             boot: it may, and the library enables it    (no)
#   RAM_END   end of the cell's RAM that begins at 0      (0x100000)
#
# and gets $(OUT)/$(NAME).bin, the raw image to load, and $(OUT)/$(NAME).elf with debug information.
# Objects go to $(BUILD). The bytes of the image depend on the sources and the compiler only.

INMATE_LIB := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

SOURCES ?= main.c
BITS ?= 64
BOOT ?= zero
SSE ?= no
RAM_END ?= 0x100000
OUT ?= .
BUILD ?= build

CC := gcc
LD := ld
OBJCOPY := objcopy

LIB_32 := boot/boot.S src/cmdline.c src/comm.c src/console.c src/format.c src/hypercall.c \
	src/sse.c src/start.c src/string.c src/uart.c
LIB_64 := $(LIB_32) src/apic.c src/channel.c src/interrupt.c src/interrupt_entry.S src/ivshmem.c src/memory.c src/pci.c \
	src/smp.c src/time.c

emulation_64 := elf_x86_64
emulation_32 := elf_i386
define_zero := -DBOOT_ADDRESS_ZERO
define_reset-vector := -DBOOT_RESET_VECTOR
define_boot := -DINMATE_SSE_AT_BOOT
float_no := -mgeneral-regs-only
float_code := -msse2 -mfpmath=sse
float_boot := $(float_code)

$(if $(NAME),,$(error NAME is not set))
$(if $(emulation_$(BITS)),,$(error BITS is $(BITS), must be 64 or 32))
$(if $(define_$(BOOT)),,$(error BOOT is $(BOOT), must be zero or reset-vector))
$(if $(float_$(SSE)),,$(error SSE is $(SSE), must be no, code or boot))

# A newer ld warns that one segment is writable and executable; an older one does not know the option.
quiet_ld := $(findstring --no-warn-rwx-segments,$(shell $(LD) --help))

DEFINES := $(define_$(BOOT)) $(define_$(SSE))

# Own code may use SSE where asked; the library never does, it also runs before SSE is enabled and
# inside interrupts.
COMMON := -m$(BITS) -g -ffile-prefix-map=$(abspath $(INMATE_LIB))=lib \
	-ffile-prefix-map=$(INMATE_LIB)=lib -ffile-prefix-map=$(CURDIR)=. \
	-fno-pic -fno-pie -fcf-protection=none $(DEFINES)
CFLAGS := -std=gnu11 -O2 -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes \
	-ffreestanding -ffunction-sections -fdata-sections -fno-tree-loop-distribute-patterns -fno-stack-protector -fno-common \
	-fno-asynchronous-unwind-tables -fno-strict-aliasing -mno-red-zone \
	-I$(INMATE_LIB)/include $(COMMON)

lib_objects := $(patsubst %,$(BUILD)/lib/%.o,$(basename $(LIB_$(BITS))))
own_objects := $(patsubst %,$(BUILD)/%.o,$(basename $(SOURCES)))

all: $(OUT)/$(NAME).bin

$(lib_objects) $(own_objects) $(BUILD)/inmate.ld: $(MAKEFILE_LIST)

$(BUILD)/lib/%.o: $(INMATE_LIB)/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(float_no) -MMD -MP -c $< -o $@

$(BUILD)/lib/%.o: $(INMATE_LIB)/%.S
	@mkdir -p $(@D)
	$(CC) $(COMMON) -MMD -MP -c $< -o $@

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(float_$(SSE)) -MMD -MP -c $< -o $@

$(BUILD)/%.o: %.S
	@mkdir -p $(@D)
	$(CC) $(COMMON) -MMD -MP -c $< -o $@

$(BUILD)/inmate.ld: $(INMATE_LIB)/inmate.ld.S
	@mkdir -p $(@D)
	$(CC) -E -P -x c $(DEFINES) -DRAM_END=$(RAM_END) $< -o $@

$(OUT)/$(NAME).elf: $(BUILD)/inmate.ld $(own_objects) $(lib_objects)
	@mkdir -p $(@D)
	$(LD) -m $(emulation_$(BITS)) --build-id=none --gc-sections --fatal-warnings $(quiet_ld) -nostdlib -static -T $^ -o $@

$(OUT)/$(NAME).bin: $(OUT)/$(NAME).elf
	$(OBJCOPY) -O binary $< $@

clean:
	rm -rf $(BUILD) $(OUT)/$(NAME).elf

.PHONY: all clean

-include $(lib_objects:.o=.d) $(own_objects:.o=.d)
