import { describe, expect, it } from "vitest";
import { Clock } from "./clock.ts";
import { Uart16550 } from "./uart16550.ts";

function system() {
  const clock = new Clock();
  const sent: number[] = [];
  let irq = false;
  let edges = 0;
  const uart = new Uart16550(
    clock,
    {
      set(level) {
        if (level && !irq) edges++;
        irq = level;
      },
    },
    (byte) => sent.push(byte),
  );
  const read = (register: number) => uart.portRead(0x3f8 + register, 1);
  const write = (register: number, value: number) => uart.portWrite(0x3f8 + register, 1, value);
  const receive = (text: string) => {
    for (const byte of new TextEncoder().encode(text)) uart.receive(byte);
  };
  return { clock, uart, sent, read, write, receive, irq: () => irq, edges: () => edges };
}

const [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7];
const OUT2 = 0x08;

describe("16550 (SNLS378)", () => {
  it("sends at once and is always ready to send", () => {
    const { sent, read, write } = system();
    expect(read(LSR)).toBe(0x60);
    for (const byte of [0x48, 0x69]) write(RBR, byte);
    expect(sent).toEqual([0x48, 0x69]);
    expect(read(LSR)).toBe(0x60);
  });

  it("keeps the divisor behind DLAB, and the scratch register", () => {
    const { sent, read, write } = system();
    write(LCR, 0x83);
    write(0, 0x34);
    write(1, 0x12);
    expect([read(0), read(1)]).toEqual([0x34, 0x12]);
    write(LCR, 0x03);
    expect([read(0), read(1), read(LCR)]).toEqual([0, 0, 3]);
    write(SCR, 0xa5);
    expect(read(SCR)).toBe(0xa5);
    write(IER, 0xff);
    expect(read(IER)).toBe(0x0f);
    write(MCR, 0xff);
    expect(read(MCR)).toBe(0x1f);
    expect(sent).toEqual([]);
  });

  it("gives the bytes of the host in order, one at a time without FIFOs, losing none", () => {
    const { uart, read, receive } = system();
    receive("abc");
    let text = "";
    while ((read(LSR) & 1) !== 0) text += String.fromCharCode(read(RBR));
    expect(text).toBe("abc");
    expect(uart.unread).toBe(0);
    receive("x".repeat(100));
    expect(read(LSR)).toBe(0x61);
    let count = 0;
    while ((read(LSR) & 1) !== 0) {
      read(RBR);
      count++;
    }
    expect(count).toBe(100);
  });

  it("interrupts only through OUT2", () => {
    const { read, write, receive, irq } = system();
    write(IER, 1);
    receive("a");
    expect(read(IIR)).toBe(0x04);
    expect(irq()).toBe(false);
    write(MCR, OUT2);
    expect(irq()).toBe(true);
    read(RBR);
    expect(irq()).toBe(false);
    expect(read(IIR)).toBe(0x01);
  });

  it("interrupts at the trigger level, and four character times after the last byte below it", () => {
    const { clock, read, write, receive, irq } = system();
    write(IIR, 0x81); // FIFOs, trigger 8
    write(IER, 1);
    write(MCR, OUT2);
    receive("1234567");
    expect(irq()).toBe(false);
    // 10 bits a character at 115,200 baud
    const fourCharacters = (4 * 10 * 1e9) / 115_200;
    clock.advance(fourCharacters - 1);
    expect(irq()).toBe(false);
    clock.advance(fourCharacters + 1);
    expect(irq()).toBe(true);
    expect(read(IIR)).toBe(0xcc);
    read(RBR);
    expect(irq()).toBe(false);
    clock.advance(3 * fourCharacters);
    expect(read(IIR)).toBe(0xcc);
    receive("89");
    expect(read(IIR)).toBe(0xc4);
    read(RBR);
    expect(read(IIR)).toBe(0xc1);
  });

  it("interrupts for an empty THR when enabled, and after each byte, until IIR is read", () => {
    const { read, write, irq, edges } = system();
    write(MCR, OUT2);
    write(IER, 2);
    expect(irq()).toBe(true);
    expect(read(IIR)).toBe(0x02);
    expect(irq()).toBe(false);
    write(RBR, 65);
    expect(irq()).toBe(true);
    write(RBR, 66);
    expect(edges()).toBe(3);
    expect(read(IIR)).toBe(0x02);
    expect(read(IIR)).toBe(0x01);
    // taking the enable away and giving it back asks again
    write(IER, 0);
    write(IER, 2);
    expect(read(IIR)).toBe(0x02);
  });

  it("ranks line status over data over THR over modem status (table 4)", () => {
    const { uart, read, write, receive } = system();
    write(IER, 0x0f);
    uart.receiveBreak();
    uart.setModemInputs(0);
    expect(read(IIR)).toBe(0x06);
    expect(read(LSR)).toBe(0x71);
    expect(read(LSR)).toBe(0x61);
    expect(read(IIR)).toBe(0x04);
    expect(read(RBR)).toBe(0);
    expect(read(IIR)).toBe(0x02);
    expect(read(IIR)).toBe(0x00);
    expect(read(MSR)).toBe(0x0b);
    expect(read(MSR)).toBe(0x00);
    expect(read(IIR)).toBe(0x01);
    receive("z");
    expect(read(IIR)).toBe(0x04);
  });

  it("tells of a ring only when it ends", () => {
    const { uart, read } = system();
    uart.setModemInputs(0xf0);
    expect(read(MSR)).toBe(0xf0);
    uart.setModemInputs(0xb0);
    expect(read(MSR)).toBe(0xb4);
  });

  it("shows a byte's errors when it comes to the top of the FIFO", () => {
    const { uart, read, write, receive } = system();
    write(IIR, 1);
    receive("a");
    uart.receiveBreak();
    expect(read(LSR)).toBe(0xe1);
    read(RBR);
    expect(read(LSR)).toBe(0xf1);
    read(RBR);
    expect(read(LSR)).toBe(0x60);
  });

  it("clears FIFOs by FCR and when they are switched, and has 16 places", () => {
    const { uart, read, write, receive } = system();
    write(IIR, 0xc1);
    expect(read(IIR) & 0xc0).toBe(0xc0);
    receive("0123456789abcdefXY");
    write(IIR, 0xc3);
    // what was still on the line comes in after the clear
    expect(String.fromCharCode(read(RBR), read(RBR))).toBe("XY");
    receive("q");
    write(IIR, 0);
    expect(read(IIR) & 0xc0).toBe(0);
    expect(read(LSR) & 1).toBe(0);
    expect(uart.unread).toBe(0);
  });

  it("loops back data, modem lines and overruns, with the line disconnected", () => {
    const { sent, read, write, receive, irq } = system();
    write(MCR, 0x10);
    expect(read(MSR) & 0xf0).toBe(0);
    read(MSR);
    // DTR->DSR, RTS->CTS, OUT1->RI, OUT2->DCD
    const lines = [0x01, 0x02, 0x04, 0x08].map((output) => {
      write(MCR, 0x10 | output);
      return read(MSR) & 0xf0;
    });
    expect(lines).toEqual([0x20, 0x10, 0x40, 0x80]);
    write(IER, 1);
    write(RBR, 0x5a);
    receive("host");
    expect(irq()).toBe(false);
    write(RBR, 0xa5);
    expect(read(LSR)).toBe(0x63);
    expect(read(RBR)).toBe(0xa5);
    write(LCR, 0x43);
    expect(read(LSR)).toBe(0x71);
    read(RBR);
    write(LCR, 0x03);
    expect(sent).toEqual([]);
    write(MCR, OUT2);
    expect(read(RBR)).toBe("h".charCodeAt(0));
    expect(irq()).toBe(true);
  });
});
