import { describe, expect, it } from "vitest";
import { BareMachine } from "./bare.ts";
import { enterMultiboot, readMultiboot } from "./multiboot.ts";
import { setRegister } from "./registers.ts";
import { flatRam } from "./sparse-ram.ts";

const MiB = 0x100000;

function machine() {
  const output: number[] = [];
  const bare = new BareMachine(16 * MiB, (byte) => output.push(byte));
  return { bare, text: () => String.fromCharCode(...output) };
}

const run = async (mode: 16 | 32 | 64, code: number[], at?: number) => {
  const { bare } = machine();
  bare.loadFlat(new Uint8Array(code), mode, at);
  return await bare.run();
};

describe("flat code", () => {
  it("16 bits: real mode at 0x7c00, with a stack and segments at 0", async () => {
    const report = await run(16, [
      ...[0xb8, 0x34, 0x12], // mov ax, 0x1234
      0x50, // push ax
      0x5b, // pop bx
      ...[0x8c, 0xc9], // mov cx, cs
      ...[0xe8, 0, 0], // call the next instruction
      0x5a, // pop dx: its address
      0xf4, // hlt
    ]);
    expect(report).toMatchObject({
      ended: "halt",
      instructions: 7,
      registers: {
        mode: "real",
        general: {
          rax: "0x0000000000001234",
          rbx: "0x0000000000001234",
          rcx: "0x0000000000000000",
          rdx: "0x0000000000007c0a",
          rsp: "0x0000000000007000",
        },
      },
    });
  });

  it("64 bits: the farthest that an operand by RIP reaches, behind other instructions", async () => {
    const { ramBytes, ranges } = flatRam();
    const bare = new BareMachine(ramBytes, () => {}, ranges);
    const code = [0x90, 0x90, 0x90, 0x8b, 0x05, 0xff, 0xff, 0xff, 0x7f, 0xf4]; // mov eax, [rip+0x7fffffff]
    bare.loadFlat(new Uint8Array(code), 64, MiB);
    bare.write(MiB + 9 + 0x7fff_ffff, Uint8Array.of(0x78, 0x56, 0x34, 0x12));
    const report = await bare.run();
    expect(report).toMatchObject({
      ended: "halt",
      registers: { general: { rax: "0x0000000012345678" } },
    });
  });

  it("16 bits above the first 64 KiB: CS moves, IP stays in reach", async () => {
    const report = await run(16, [0x8c, 0xc8, 0xf4], 0x2_1234); // mov ax, cs
    expect(report.registers.general.rax).toBe("0x0000000000002000");
    expect(report.registers.general.rip).toBe("0x0000000000001237");
  });

  it("32 bits: flat protected mode; segments can be loaded again from its table", async () => {
    const report = await run(32, [
      ...[0xb8, 0x10, 0, 0, 0], // mov eax, 0x10
      ...[0x8e, 0xd8], // mov ds, ax
      ...[0xa1, 0, 0, 0x10, 0], // mov eax, [0x100000]: these very bytes
      ...[0x6a, 0x08, 0x68, 0x14, 0, 0x10, 0, 0xcb], // push 8; push 0x100014; retf
      0xf4, // hlt
    ]);
    expect(report).toMatchObject({
      ended: "halt",
      registers: { mode: "protected", general: { rax: "0x00000000000010b8" } },
    });
  });

  it("64 bits: long mode with 4 GiB mapped, SSE and x87 enabled", async () => {
    const report = await run(64, [
      ...[0x48, 0xb8, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01], // mov rax, 0x123456789abcdef
      ...[0x66, 0x48, 0x0f, 0x6e, 0xc8], // movq xmm1, rax
      ...[0xd9, 0xe8], // fld1
      ...[0xf9], // stc
      0xf4, // hlt
    ]);
    expect(report.registers).toMatchObject({
      mode: "long",
      general: { rax: "0x0123456789abcdef" },
      flags: { set: ["CF", "IF"] },
    });
    expect(report.registers.xmm[1]).toBe("0x00000000000000000123456789abcdef");
    expect(report.registers.x87.st[0]).toBe("0x3fff8000000000000000");
  });

  it("ends in a triple fault where there is no way on", async () => {
    const report = await run(64, [0x0f, 0x0b]); // ud2 without an IDT
    expect(report).toMatchObject({
      ended: "triple-fault",
      registers: { general: { rip: "0x0000000000100000" } },
      instruction: { text: "ud2", bytes: "0f 0b" },
    });
  });

  it("ends after the time asked for", async () => {
    const { bare } = machine();
    bare.loadFlat(new Uint8Array([0xeb, 0xfe]), 64); // jmp $
    expect(await bare.run({ ns: 2_000_000 })).toMatchObject({
      ended: "time",
      instructions: 2_000_000,
      virtualNs: 2_000_000,
    });
  });

  it("starts with the registers it is given", async () => {
    const { bare } = machine();
    bare.loadFlat(new Uint8Array([0x48, 0x01, 0xf7, 0xf4]), 64); // add rdi, rsi
    setRegister(bare.registers, "rdi", 40n);
    setRegister(bare.registers, "sil", 2n);
    expect((await bare.run()).registers.general.rdi).toBe("0x000000000000002a");
  });

  it.each([
    [new Uint8Array(17 * MiB), 64 as const, undefined, /does not fit into RAM/],
    [
      new Uint8Array(0x2000),
      64 as const,
      16 * MiB - 0x8000,
      /overlaps the descriptor and page tables/,
    ],
    [new Uint8Array(1), 16 as const, 0x10fff0, /cannot be reached in 16-bit mode/],
  ])("refuses what does not fit", (code, mode, at, message) => {
    expect(() => machine().bare.loadFlat(code, mode, at)).toThrow(message);
  });
});

/** A kernel of a header with address fields and 32-bit code behind it. */
function kernel(code: number[], flags = 1 << 16): Uint8Array {
  const load = MiB;
  const file = new Uint8Array(32 + code.length);
  const view = new DataView(file.buffer);
  const magic = 0x1badb002;
  const words = [magic, flags, -(magic + flags), load, load, 0, load + 0x2000, load + 32];
  words.forEach((word, index) => {
    view.setUint32(index * 4, word, true);
  });
  file.set(code, 32);
  return file;
}

describe("several CPUs", () => {
  /** Prints how many CPUs there are, starts the others with the 8 bytes of code, and halts. */
  const smp = (code: number[]) =>
    kernel([
      ...[0xb8, 5, 0, 0, 0, 0x66, 0xba, 0x10, 0x05, 0x66, 0xef], // select fw_cfg's number of CPUs
      ...[0x66, 0x42, 0xec], // inc dx; in al, dx
      ...[0x04, 0x30, 0x66, 0xba, 0xf8, 0x03, 0xee], // add al, '0'; out to COM1
      ...[0xc7, 0x05, 0, 0x80, 0, 0, ...code.slice(0, 4)], // the code goes to 0x8000
      ...[0xc7, 0x05, 4, 0x80, 0, 0, ...code.slice(4)],
      ...[0xbe, 0, 3, 0xe0, 0xfe], // mov esi, 0xfee00300
      ...[0xc7, 0x06, 0, 0x45, 0x0c, 0], // INIT to all others
      ...[0xc7, 0x06, 8, 0x46, 0x0c, 0], // start-up at 0x8000
      ...[0xfa, 0xf4], // cli; hlt
    ]);

  it("waits until the last one has ended", async () => {
    const output: number[] = [];
    const bare = new BareMachine(16 * MiB, (byte) => output.push(byte), [], 3);
    // mov dx, 0x3f8; mov al, '!'; out dx, al; cli; hlt
    bare.loadMultiboot(smp([0xba, 0xf8, 0x03, 0xb0, 0x21, 0xee, 0xfa, 0xf4]), "");
    const report = await bare.run({ ns: 100_000_000 });
    expect(report.ended).toBe("halt");
    expect(String.fromCharCode(...output)).toBe("3!!");
    expect(bare.board.vcpus.map(({ halted }) => halted)).toEqual([true, true, true]);
  });

  it("reports the one that a triple fault happened to", async () => {
    const bare = new BareMachine(16 * MiB, () => {}, [], 2);
    // lidt [0]: all zeros; ud2
    bare.loadMultiboot(smp([0x0f, 0x01, 0x1e, 0, 0, 0x0f, 0x0b, 0xf4]), "");
    const report = await bare.run({ ns: 100_000_000 });
    expect(report).toMatchObject({
      ended: "triple-fault",
      registers: { mode: "real", general: { rip: "0x0000000000000005" } },
      instruction: { text: "ud2" },
    });
  });
});

describe("RAM beyond the first", () => {
  const ranges = [
    { address: 0xe000_0000, size: 0x3000 },
    { address: 0x5_0000_0000, size: 0x1_0000_0000 },
  ];

  it("is where it was asked for, in 64-bit mode above 4 GiB too", async () => {
    const bare = new BareMachine(2 * MiB, () => {}, ranges);
    bare.loadFlat(
      new Uint8Array([
        ...[0x48, 0xb8, 0xf8, 0xff, 0xff, 0xff, 5, 0, 0, 0], // mov rax, 0x5fffffff8
        ...[0x48, 0x89, 0x00], // mov [rax], rax
        ...[0xbb, 0xff, 0x0f, 0, 0xe0], // mov ebx, 0xe0000fff
        ...[0x66, 0xc7, 0x03, 0x34, 0x12], // mov word [rbx], 0x1234
        ...[0x8b, 0x8b, 0x01, 0x20, 0, 0], // mov ecx, [rbx + 0x2001]: behind the range
        0xf4,
      ]),
      64,
    );
    const report = await bare.run();
    expect(report.ended).toBe("halt");
    expect(report.registers.general.rcx).toBe("0x00000000ffffffff");
    expect([...bare.read(0x5_ffff_fff8, 8)]).toEqual([0xf8, 0xff, 0xff, 0xff, 5, 0, 0, 0]);
    expect([...bare.read(0xe000_0fff, 2)]).toEqual([0x34, 0x12]);
    expect(() => bare.read(0xe000_2fff, 2)).toThrow(/no RAM at 0xe0003000/);
  });

  it("is everywhere but at the APICs for flat code if nothing is said", async () => {
    const { ramBytes, ranges: rest } = flatRam();
    const bare = new BareMachine(ramBytes, () => {}, rest);
    bare.loadFlat(
      new Uint8Array([
        ...[0x48, 0xb8, 0xf8, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0], // mov rax, 0x7ffffffff8
        ...[0xff, 0x00, 0xb8, 0x30, 0, 0xe0, 0xfe, 0x8b, 0x18, 0xf4], // inc dword [rax]; mov eax, 0xfee00030; mov ebx, [rax]; hlt
      ]),
      64,
      0xe000_0000,
    );
    const { registers } = await bare.run();
    expect([...bare.read(0x7f_ffff_fff8, 4)]).toEqual([1, 0, 0, 0]);
    expect(registers.general.rbx).toMatch(/14$/); // version of an integrated APIC
  });

  it("may reach beyond the chips for flat code", async () => {
    const { ramBytes, ranges: rest } = flatRam(16 * 1024 * MiB);
    const bare = new BareMachine(ramBytes, () => {}, rest);
    bare.loadFlat(
      new Uint8Array([
        ...[0x48, 0xb8, 0x34, 0x12, 0xe0, 0xfe, 0x03, 0, 0, 0], // mov rax, 0x3fee01234
        ...[0xff, 0x00, 0xb8, 0x30, 0, 0xe0, 0xfe, 0xff, 0x00, 0xf4], // inc dword [rax]; mov eax, 0xfee00030; inc dword [rax]; hlt
      ]),
      64,
    );
    expect((await bare.run()).ended).toBe("halt");
    expect([...bare.read(0x3_fee0_1234, 4)]).toEqual([1, 0, 0, 0]);
    expect([...bare.read(0xfee0_0030, 4)]).toEqual([1, 0, 0, 0]);
  });

  it("takes code", async () => {
    const bare = new BareMachine(MiB, () => {}, ranges);
    bare.loadFlat(new Uint8Array([0xb0, 7, 0xf4]), 64, 0x5_8000_0000);
    expect((await bare.run()).registers.general).toMatchObject({
      rax: "0x0000000000000007",
      rip: "0x0000000580000003",
    });
  });

  it.each([
    [[{ address: 0xff000, size: 0x2000 }], /overlaps the RAM from 0x0 to 0xfffff/],
    [[ranges[0], { address: 0xe000_2000, size: 0x1000 }], /overlaps the RAM from 0xe0000000/],
    [[{ address: 0x1234, size: 0x1000 }], /multiples of 4096/],
    [[{ address: 2 ** 39, size: 0x1000 }], /beyond 0x7fffffffff/],
  ])("is refused where it cannot be", (wrong, message) => {
    expect(() => new BareMachine(MiB, () => {}, wrong)).toThrow(message);
  });
});

describe("many programs on one machine", () => {
  it("are alike after a power cycle", async () => {
    const { bare } = machine();
    const program = new Uint8Array([0xff, 0x05, 0xfa, 0x0f, 0, 0, 0xd9, 0xe8, 0xf4]); // inc dword [rip+0xffa]; fld1; hlt
    bare.loadFlat(program, 64);
    const first = await bare.run();
    expect([...bare.read(0x101000, 4)]).toEqual([1, 0, 0, 0]);
    bare.powerCycle();
    expect([...bare.read(0x101000, 4)]).toEqual([0, 0, 0, 0]);
    bare.loadFlat(program, 64);
    expect(await bare.run()).toEqual(first);
    expect([...bare.read(0x101000, 4)]).toEqual([1, 0, 0, 0]);
  });

  it("run step by step, changed in between", () => {
    const { bare } = machine();
    bare.loadFlat(new Uint8Array([0x40, 0x40, 0xf4]), 16, 0x10_ff00); // inc ax, inc ax, hlt
    expect(bare.registers.segment("cs").base).toBe(0xffff0n);
    expect(bare.step()).toBe("instructions");
    expect(bare.registers.get("rax")).toBe(1n);
    bare.write(0x10_ff01, new Uint8Array([0x48])); // dec ax
    expect(bare.step(1)).toBe("instructions");
    expect(bare.registers.get("rax")).toBe(0n);
    expect(bare.step(5)).toBe("halt");
  });

  it("a fault is delivered as the one instruction of its step", () => {
    const { bare } = machine();
    bare.loadFlat(new Uint8Array([0xf7, 0xf1]), 16); // div cx, by zero
    bare.write(0, new Uint8Array([0x78, 0x56, 0x34, 0x12]));
    expect(bare.step()).toBe("instructions");
    expect(bare.registers.segment("cs").selector).toBe(0x1234);
    expect(bare.registers.get("rip")).toBe(0x5678n);
    expect([...bare.read(0x7000 - 6, 4)]).toEqual([0x00, 0x7c, 0, 0]);
  });
});

describe("privilege level 3", () => {
  it.each([
    [32 as const, "0x0023"],
    [64 as const, "0x0033"],
  ])("%i bits: HLT ends, IF stays as it is", async (mode, selector) => {
    const { bare } = machine();
    bare.loadFlat(new Uint8Array([0x6a, 0, 0x9d, 0x9c, 0x58, 0xf4]), mode, undefined, 3); // push 0; popf; pushf; pop rax; hlt
    const { ended, instructions, registers } = await bare.run();
    expect(ended).toBe("halt");
    expect(instructions).toBe(5);
    expect(registers.privilegeLevel).toBe(3);
    expect(registers.general.rax).toBe("0x0000000000000202");
    expect(registers.general.rip).toBe("0x0000000000100006");
    expect(registers.segments.cs.selector).toBe(selector);
  });

  it("other privileged instructions end in a triple fault", async () => {
    const { bare } = machine();
    bare.loadFlat(new Uint8Array([0x0f, 0x20, 0xc0, 0xf4]), 64, undefined, 3); // mov rax, cr0
    expect(await bare.run()).toMatchObject({
      ended: "triple-fault",
      instruction: { bytes: "0f 20 c0" },
    });
  });
});

it("ENTER makes a frame", async () => {
  const report = await run(64, [0xc8, 0x10, 0, 0, 0xf4]); // enter 16, 0
  expect(report.registers.general).toMatchObject({
    rbp: "0x0000000000006ff8",
    rsp: "0x0000000000006fe8",
  });
});

describe("no form of an instruction", () => {
  it("is #UD even where its operand would be beyond the segment", () => {
    const { bare } = machine();
    bare.loadFlat(new Uint8Array([0x8e, 0x0f]), 16); // mov cs, [bx]
    bare.write(6 * 4, new Uint8Array([0x06, 0, 0, 0]));
    bare.write(13 * 4, new Uint8Array([0x0d, 0, 0, 0]));
    setRegister(bare.registers, "bx", 0xffffn);
    bare.step();
    expect(bare.registers.get("rip")).toBe(6n);
  });
});

describe("a multiboot kernel", () => {
  it("finds the magic, the memory map and its command line, and prints on COM1", async () => {
    const { bare, text } = machine();
    bare.loadMultiboot(
      kernel([
        ...[0x89, 0xc5], // mov ebp, eax
        ...[0x8b, 0x4b, 0x08], // mov ecx, [ebx+8]: mem_upper, KiB
        ...[0x8b, 0x73, 0x10], // mov esi, [ebx+16]: command line
        ...[0x66, 0xba, 0xf8, 0x03], // mov dx, 0x3f8
        0xac, // lodsb
        ...[0x84, 0xc0], // test al, al
        ...[0x74, 0x03], // jz over
        0xee, // out dx, al
        ...[0xeb, 0xf8], // jmp to lodsb
        0xfa, // cli
        0xf4, // hlt
      ]),
      "console=ttyS0 quiet",
    );
    const report = await bare.run({ ns: 1e9 });
    expect(text()).toBe("console=ttyS0 quiet");
    expect(report).toMatchObject({
      ended: "halt",
      registers: {
        mode: "protected",
        general: {
          rbp: "0x000000002badb002",
          rcx: `0x${(15 * 1024).toString(16).padStart(16, "0")}`,
        },
      },
    });
  });

  it("has zeros behind a segment's bytes, over firmware and over an earlier segment too", () => {
    const { bare } = machine();
    const piece = (address: number, bytes: number[], size: number) => ({
      address,
      bytes: Uint8Array.from(bytes),
      size,
    });
    const rom = 0xf_0000;
    bare.write(rom, new Uint8Array(16).fill(0xee));
    const image = {
      pieces: [piece(rom, [1], 16), piece(2 * MiB, [2, 2, 2, 2], 8), piece(2 * MiB - 1, [3, 3], 4)],
      entry: 2 * MiB,
    };
    enterMultiboot(image, bare.registers, bare.board.memory, "");
    expect([...bare.read(rom, 17)]).toEqual([1, ...new Array(15).fill(0), 0]);
    expect([...bare.read(2 * MiB - 1, 8)]).toEqual([3, 3, 0, 0, 2, 0, 0, 0]);
  });

  it("finds its modules on page boundaries behind itself", async () => {
    const { bare, text } = machine();
    bare.loadMultiboot(
      kernel([
        ...[0x8b, 0x6b, 0x14], // mov ebp, [ebx+20]: how many
        ...[0x8b, 0x43, 0x18], // mov eax, [ebx+24]: the list
        ...[0x8b, 0x78, 0x10], // mov edi, [eax+16]: start of the second
        ...[0x8b, 0x48, 0x14], // mov ecx, [eax+20]: its end
        ...[0x8b, 0x70, 0x18], // mov esi, [eax+24]: its name
        ...[0x66, 0xba, 0xf8, 0x03, 0x6e], // mov dx, 0x3f8; outsb
        ...[0xfa, 0xf4],
      ]),
      "",
      [
        { name: "one", bytes: new Uint8Array(4097).fill(1) },
        { name: "two", bytes: Uint8Array.of(2, 22) },
      ],
    );
    const { registers } = await bare.run({ ns: 1e9 });
    expect(text()).toBe("t");
    const { rbp, rdi, rcx } = registers.general;
    expect([rbp, rdi, rcx].map(Number)).toEqual([2, MiB + 0x4000, MiB + 0x4002]);
    expect(bare.read(MiB + 0x2000, 1)).toEqual(Uint8Array.of(1));
    expect(bare.read(MiB + 0x4000, 3)).toEqual(Uint8Array.of(2, 22, 0));
  });

  it("gives the debug exit port a double word", async () => {
    const { bare } = machine();
    bare.loadMultiboot(kernel([0xb8, 5, 1, 0, 0, 0xe7, 0xf4, 0xeb, 0xfe]), ""); // out 0xf4, eax
    expect((await bare.run({ ns: 1e9 })).exitStatus).toBe(0x20b);
  });

  it("ends through the debug exit port with QEMU's status", async () => {
    const { bare } = machine();
    // mov al, 21; out 0xf4, al; jmp $
    bare.loadMultiboot(kernel([0xb0, 21, 0xe6, 0xf4, 0xeb, 0xfe]), "");
    expect(await bare.run({ ns: 1e9 })).toMatchObject({
      ended: "exit",
      exitStatus: 43,
      instructions: 2,
    });
  });

  it("ends through the reset port", async () => {
    const { bare } = machine();
    // mov al, 6; mov dx, 0xcf9; out dx, al; jmp $
    bare.loadMultiboot(kernel([0xb0, 6, 0x66, 0xba, 0xf9, 0x0c, 0xee, 0xeb, 0xfe]), "");
    expect(await bare.run({ ns: 1e9 })).toMatchObject({ ended: "reset" });
  });

  it.each([
    [new Uint8Array(100), /no multiboot header/],
    [kernel([0xf4], (1 << 16) | 4), /demands a video mode/],
    [kernel([0xf4], 0), /not ELF/],
  ])("is refused", (file, message) => {
    expect(() => readMultiboot(file)).toThrow(message);
  });
});
