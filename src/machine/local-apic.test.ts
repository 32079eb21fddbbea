import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as R from "./apic-registers.ts";
import { ApicPage, readApicMsr, writeApicMsr } from "./apic-window.ts";
import type { LocalApic } from "./local-apic.ts";
import { apicSystem, drain, enable, enterX2apic } from "./testing/apic-system.ts";

const fixed = (vector: number) => vector;

describe("local APIC after power-on (SDM 11.4.7.1)", () => {
  it("is software-disabled with every entry masked", () => {
    const [apic] = apicSystem([3]).apics;
    expect(apic.apicBase).toBe(0xfee00800);
    expect(apic.readRegister(R.ID)).toBe(0x03000000);
    expect(apic.readRegister(R.SVR)).toBe(0xff);
    expect(apic.readRegister(R.DFR)).toBe(0xffffffff);
    for (const lvt of R.LVT_REGISTERS) expect(apic.readRegister(lvt)).toBe(0x10000);
    for (const zero of [
      R.TPR,
      R.LDR,
      R.ESR,
      R.ICR_LOW,
      R.ICR_HIGH,
      R.INITIAL_COUNT,
      R.CURRENT_COUNT,
    ])
      expect(apic.readRegister(zero)).toBe(0);
    // bits 7:0 a version of an integrated APIC, bits 23:16 the number of entries less one
    expect(apic.readRegister(R.VERSION) & 0xf0).toBe(0x10);
    expect((apic.readRegister(R.VERSION) >> 16) & 0xff).toBe(R.LVT_REGISTERS.length - 1);
    expect(apicSystem([0]).apics[0].apicBase).toBe(0xfee00900);
  });

  it("takes no fixed interrupt and keeps its entries masked until enabled", () => {
    const { apics, bus, log } = apicSystem([0]);
    expect(bus.send(0, fixed(0x40))).toBe(false);
    apics[0].writeRegister(R.LVT_TIMER, 0x40);
    expect(apics[0].readRegister(R.LVT_TIMER)).toBe(0x10040);
    expect(bus.send(0, R.NMI << 8)).toBe(true);
    expect(log).toEqual(["nmi 0"]);
    enable(...apics);
    apics[0].writeRegister(R.LVT_TIMER, 0x40);
    expect(apics[0].readRegister(R.LVT_TIMER)).toBe(0x40);
    apics[0].writeRegister(R.SVR, 0xff);
    expect(apics[0].readRegister(R.LVT_TIMER)).toBe(0x10040);
  });
});

describe("priorities (SDM 11.8.3)", () => {
  it("delivers the highest vector whose class exceeds the processor priority", () => {
    const { apics, bus } = apicSystem([0]);
    const [apic] = apics;
    enable(apic);
    for (const vector of [0x31, 0x52, 0x5f]) bus.send(0, vector);
    expect(apic.pending()).toBe(0x5f);
    expect(apic.acknowledge()).toBe(0x5f);
    expect(apic.readRegister(R.PPR)).toBe(0x50);
    // same class: waits; higher class: nests
    expect(apic.pending()).toBe(-1);
    bus.send(0, 0x61);
    expect(apic.acknowledge()).toBe(0x61);
    expect(apic.readRegister(R.ISR + 3)).toBe(2);
    apic.writeRegister(R.EOI, 0);
    apic.writeRegister(R.EOI, 0);
    expect(apic.acknowledge()).toBe(0x52);
    apic.writeRegister(R.EOI, 0);
    apic.taskPriority = 3;
    expect(apic.readRegister(R.TPR)).toBe(0x30);
    expect(apic.pending()).toBe(-1);
    apic.writeRegister(R.TPR, 0x2f);
    expect(apic.pending()).toBe(0x31);
    expect(apic.taskPriority).toBe(2);
  });

  it("agrees with the rules of the manual for any set of requests", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 16, max: 255 }), { maxLength: 20 }),
        fc.integer({ min: 0, max: 255 }),
        (vectors, tpr) => {
          const { apics, bus } = apicSystem([0]);
          enable(...apics);
          apics[0].writeRegister(R.TPR, tpr);
          for (const vector of vectors) bus.send(0, vector);
          const expected = vectors.filter((v) => v >> 4 > tpr >> 4).sort((a, b) => b - a);
          expect(drain(apics[0])).toEqual(expected);
        },
      ),
    );
  });

  it("gives the spurious vector when the request is gone, without service", () => {
    const [apic] = apicSystem([0]).apics;
    enable(apic);
    expect(apic.acknowledge()).toBe(0xff);
    expect([...Array(8).keys()].map((n) => apic.readRegister(R.ISR + n))).toEqual(Array(8).fill(0));
  });

  it("ends level-triggered interrupts at the IOAPIC, unless told not to", () => {
    const { apics, bus } = apicSystem([0]);
    const ended: number[] = [];
    bus.listen({ endOfInterrupt: (vector) => ended.push(vector) });
    enable(...apics);
    bus.send(0, 0x41);
    bus.send(0, 0x51 | R.LEVEL_TRIGGERED);
    expect(apics[0].readRegister(R.TMR + 2)).toBe(1 << 17);
    expect(drain(apics[0])).toEqual([0x51, 0x41]);
    expect(ended).toEqual([0x51]);
    apics[0].writeRegister(R.SVR, 0x11ff);
    bus.send(0, 0x51 | R.LEVEL_TRIGGERED);
    drain(apics[0]);
    expect(ended).toEqual([0x51]);
  });
});

describe("interprocessor interrupts (SDM 11.6)", () => {
  const taken = (apics: readonly LocalApic[]) =>
    apics.flatMap((apic) => (drain(apic).length ? [apic.id] : []));

  it("finds physical and logical destinations in every model", () => {
    const { apics } = apicSystem([0, 1, 2, 5]);
    const [sender] = apics;
    enable(...apics);
    const send = (destination: number, logical: boolean) => {
      sender.writeRegister(R.ICR_HIGH, destination << 24);
      sender.writeRegister(R.ICR_LOW, 0x40 | (logical ? R.LOGICAL : 0));
      return taken(apics);
    };
    expect(send(5, false)).toEqual([5]);
    expect(send(7, false)).toEqual([]);
    expect(send(0xff, false)).toEqual([0, 1, 2, 5]);
    // flat: any common bit
    apics.forEach((apic, n) => {
      apic.writeRegister(R.LDR, 1 << (24 + n));
    });
    expect(send(0b1010, true)).toEqual([1, 5]);
    // cluster: upper nibble is the cluster, lower a bit map
    apics.forEach((apic, n) => {
      apic.writeRegister(R.DFR, 0);
      apic.writeRegister(R.LDR, ((n >> 1) << 28) | (1 << (24 + (n & 1))));
    });
    expect(send(0x03, true)).toEqual([0, 1]);
    expect(send(0x12, true)).toEqual([5]);
    expect(send(0xf1, true)).toEqual([0, 2]);
    expect(send(0xff, true)).toEqual([0, 1, 2, 5]);
  });

  it("derives logical ids in x2APIC mode: cluster id[31:4], bit id[3:0]", () => {
    const { apics } = apicSystem([0, 1, 17, 18, 37]);
    enable(...apics);
    enterX2apic(...apics);
    expect(apics.map((apic) => apic.readRegister(R.LDR))).toEqual([
      0x1, 0x2, 0x10002, 0x10004, 0x20020,
    ]);
    apics[0].writeIcr(0x40 | R.LOGICAL, 0x10006);
    expect(taken(apics)).toEqual([17, 18]);
    apics[0].writeIcr(0x40, 37);
    expect(taken(apics)).toEqual([37]);
    apics[0].writeIcr(0x40, 0xffffffff);
    expect(taken(apics)).toEqual([0, 1, 17, 18, 37]);
    apics[1].writeRegister(R.SELF_IPI, 0x55);
    expect(drain(apics[1])).toEqual([0x55]);
  });

  it("obeys the shorthands of table 11-3", () => {
    const { apics, log } = apicSystem([0, 1, 2]);
    enable(...apics);
    const send = (command: number, shorthand: number) => {
      apics[1].writeIcr(command | (shorthand << 18), 0);
      return taken(apics);
    };
    expect(send(0x40, R.SHORTHAND_SELF)).toEqual([1]);
    expect(send(0x40, R.SHORTHAND_ALL)).toEqual([0, 1, 2]);
    expect(send(0x40, R.SHORTHAND_OTHERS)).toEqual([0, 2]);
    send(R.NMI << 8, R.SHORTHAND_SELF);
    send(R.NMI << 8, R.SHORTHAND_ALL);
    expect(log).toEqual([]);
    send(R.NMI << 8, R.SHORTHAND_OTHERS);
    expect(log).toEqual(["nmi 0", "nmi 2"]);
  });

  it("hands over INIT, start-up and NMI; ignores INIT level de-assert", () => {
    const { apics, log } = apicSystem([0, 1]);
    const send = (command: number) => apics[0].writeIcr(command, 1 << 24);
    send((R.INIT << 8) | R.LEVEL_TRIGGERED | R.LEVEL_ASSERT);
    send((R.INIT << 8) | R.LEVEL_TRIGGERED);
    send((R.STARTUP << 8) | 0x9a);
    send(R.NMI << 8);
    expect(log).toEqual(["init 1", "sipi 1 9a", "nmi 1"]);
  });

  it("gives lowest-priority delivery to the APIC with the lowest priority", () => {
    const { apics, bus } = apicSystem([0, 1, 2]);
    enable(...apics);
    apics[0].taskPriority = 5;
    apics[1].taskPriority = 2;
    apics[2].taskPriority = 4;
    bus.send(0xff, 0x91 | (R.LOWEST_PRIORITY << 8));
    expect(taken(apics)).toEqual([1]);
    apics[1].writeRegister(R.SVR, 0xff);
    bus.send(0xff, 0x91 | (R.LOWEST_PRIORITY << 8));
    expect(taken(apics)).toEqual([2]);
  });

  it("delivers messages of devices by their address and data (SDM 11.11)", () => {
    const { apics, bus, log } = apicSystem([0, 1, 2]);
    enable(...apics);
    apics.forEach((apic, n) => {
      apic.writeRegister(R.LDR, 1 << (24 + n));
    });
    expect(bus.deliverMsi(0xfee02000, 0x4061)).toBe(true);
    expect(drain(apics[2])).toEqual([0x61]);
    bus.deliverMsi(0xfee06004, 0x62);
    expect(taken(apics)).toEqual([1, 2]);
    // redirection hint: one of the logical set
    bus.deliverMsi(0xfee0600c, 0x62);
    expect(taken(apics)).toEqual([1]);
    bus.deliverMsi(0xfee01000, R.NMI << 8);
    expect(log).toEqual(["nmi 1"]);
    expect(bus.deliverMsi(0xfed00000, 0x61)).toBe(false);
    expect(bus.deliverMsi(0x1_fee0_0000, 0x61)).toBe(false);
  });
});

describe("errors (SDM 11.5.3)", () => {
  it("shows errors in ESR only after a write, and interrupts once until then", () => {
    const { apics, bus } = apicSystem([0]);
    const [apic] = apics;
    enable(apic);
    apic.writeRegister(R.LVT_ERROR, 0xfe);
    apic.writeIcr(0x0f, 0);
    expect(apic.readRegister(R.ESR)).toBe(0);
    expect(drain(apic)).toEqual([0xfe]);
    bus.send(0, 0x05);
    expect(drain(apic)).toEqual([0xfe]);
    bus.send(0, 0x06);
    apic.readRegister(0x3b);
    expect(drain(apic)).toEqual([0xfe]);
    apic.writeRegister(R.ESR, 0);
    expect(apic.readRegister(R.ESR)).toBe(0x20 | 0x40 | 0x80);
    apic.writeRegister(R.ESR, 0);
    expect(apic.readRegister(R.ESR)).toBe(0);
  });

  it("does not recurse on an illegal error vector", () => {
    const [apic] = apicSystem([0]).apics;
    enable(apic);
    apic.writeRegister(R.LVT_ERROR, 0x03);
    apic.readRegister(0x00);
    apic.writeRegister(R.ESR, 0);
    expect(apic.readRegister(R.ESR)).toBe(0x80 | 0x40);
  });
});

describe("pins (SDM 11.5.1)", () => {
  it("passes the 8259's vector through LINT0 in ExtINT mode, or with the APIC off", () => {
    const [apic] = apicSystem([0]).apics;
    let acknowledged = 0;
    apic.externalController = {
      vector: () => 0x08,
      acknowledge: () => {
        acknowledged++;
        apic.lint0.set(false);
        return 0x08;
      },
    };
    apic.lint0.set(true);
    expect(apic.pending()).toBe(-1);
    apic.virtualWire();
    expect(apic.pending()).toBe(8);
    expect(apic.acknowledge()).toBe(8);
    expect(apic.pending()).toBe(-1);
    expect(apic.readRegister(R.ISR)).toBe(0);
    apic.writeRegister(R.LVT_LINT0, 0x10700);
    apic.lint0.set(true);
    expect(apic.pending()).toBe(-1);
    apic.apicBase = 0xfee00100;
    expect(apic.pending()).toBe(8);
    expect(acknowledged).toBe(1);
  });

  it("repeats a level-triggered pin after each end of interrupt", () => {
    const [apic] = apicSystem([0]).apics;
    enable(apic);
    apic.writeRegister(R.LVT_LINT0, 0x8045);
    apic.lint0.set(true);
    expect(apic.readRegister(R.LVT_LINT0)).toBe(0xc045);
    expect(apic.acknowledge()).toBe(0x45);
    expect(apic.pending()).toBe(-1);
    apic.writeRegister(R.EOI, 0);
    expect(apic.acknowledge()).toBe(0x45);
    apic.lint0.set(false);
    apic.writeRegister(R.EOI, 0);
    expect(apic.pending()).toBe(-1);
    expect(apic.readRegister(R.LVT_LINT0)).toBe(0x8045);
  });

  it("turns a rising edge at LINT1 into an NMI or a fixed interrupt", () => {
    const { apics, log } = apicSystem([0]);
    const [apic] = apics;
    enable(apic);
    apic.lint1.set(true);
    apic.writeRegister(R.LVT_LINT1, 0x400);
    expect(log).toEqual([]);
    apic.lint1.set(false);
    apic.lint1.set(true);
    expect(log).toEqual(["nmi 0"]);
    apic.writeRegister(R.LVT_LINT1, 0x46);
    apic.lint1.set(false);
    apic.lint1.set(true);
    expect(drain(apic)).toEqual([0x46]);
  });
});

describe("reset and clear", () => {
  it("keeps id and mode over INIT, and clears everything a started CPU must not see", () => {
    const { apics, bus } = apicSystem([2]);
    const [apic] = apics;
    const ended: number[] = [];
    bus.listen({ endOfInterrupt: (vector) => ended.push(vector) });
    enterX2apic(apic);
    enable(apic);
    bus.sendWide(2, 0x51 | R.LEVEL_TRIGGERED);
    apic.acknowledge();
    bus.sendWide(2, 0x81);
    apic.writeRegister(R.TPR, 0x20);
    apic.writeRegister(R.LVT_TIMER, 0x30);
    apic.clear();
    expect(ended).toEqual([0x51]);
    expect(apic.pending()).toBe(-1);
    expect(apic.readRegister(R.SVR)).toBe(0xff);
    expect(apic.readRegister(R.TPR)).toBe(0);
    for (const lvt of R.LVT_REGISTERS) expect(apic.readRegister(lvt)).toBe(0x10000);
    enable(apic);
    expect(apic.pending()).toBe(-1);
    apic.reset();
    expect(apic.x2apic).toBe(true);
    expect(apic.readRegister(R.ID)).toBe(2);
    expect(apic.readRegister(R.LDR)).toBe(4);
  });
});

describe("MSRs (SDM 11.12)", () => {
  const result = { lo: 0, hi: 0 };

  it("changes modes only along figure 11-27", () => {
    const [apic] = apicSystem([0]).apics;
    const write = (lo: number, hi = 0) => writeApicMsr(apic, R.IA32_APIC_BASE, lo, hi);
    expect(write(0xfee00500)).toBe(false); // EXTD without EN
    expect(write(0xfee00900)).toBe(true);
    expect(write(0xfee00d00)).toBe(true); // to x2APIC
    expect(write(0xfee00900)).toBe(false); // not back
    expect(write(0xfee00100)).toBe(true); // off
    expect(write(0xfee00d00)).toBe(false); // not straight on
    expect(write(0xfee00900)).toBe(true);
    expect(write(0xfee00901)).toBe(false);
    expect(write(0xfee00900, 0x100)).toBe(false);
    expect(write(0x1000900 >>> 0, 1)).toBe(true);
    expect(apic.pageAddress).toBe(0x1_0100_0000);
    expect(readApicMsr(apic, R.IA32_APIC_BASE, result)).toBe(true);
    expect(result).toEqual({ lo: 0x1000900, hi: 1 });
  });

  it("faults on what is not there, write-only, read-only or reserved", () => {
    const [apic] = apicSystem([0]).apics;
    expect(readApicMsr(apic, 0x802, result)).toBe(false);
    enterX2apic(apic);
    enable(apic);
    const readable = (msr: number) => readApicMsr(apic, msr, result);
    for (const msr of [
      0x802, 0x803, 0x808, 0x80a, 0x80d, 0x80f, 0x810, 0x827, 0x828, 0x82f, 0x830, 0x832, 0x837,
      0x838, 0x839, 0x83e,
    ])
      expect(readable(msr), msr.toString(16)).toBe(true);
    for (const msr of [0x800, 0x809, 0x80b, 0x80c, 0x80e, 0x831, 0x83f, 0x840, 0x8ff])
      expect(readable(msr), msr.toString(16)).toBe(false);
    const writable = (msr: number, lo: number, hi = 0) => writeApicMsr(apic, msr, lo, hi);
    for (const [msr, lo, hi] of [
      [0x802, 0, 0],
      [0x803, 0, 0],
      [0x80a, 0, 0],
      [0x80d, 0, 0],
      [0x80e, 0, 0],
      [0x810, 0, 0],
      [0x831, 0, 0],
      [0x839, 0, 0],
      [0x808, 0x100, 0],
      [0x80b, 1, 0],
      [0x80f, 0x400, 0],
      [0x828, 1, 0],
      [0x830, 0x1040, 0],
      [0x832, 0x100, 0],
      [0x837, 0x700, 0],
      [0x83e, 4, 0],
      [0x83f, 0x100, 0],
      [0x808, 0, 1],
    ])
      expect(writable(msr, lo, hi), `${msr.toString(16)} ${lo.toString(16)}`).toBe(false);
    expect(writable(0x830, 0x40, 0x12345678)).toBe(true);
    expect(readable(0x830)).toBe(true);
    expect(result).toEqual({ lo: 0x40, hi: 0x12345678 });
    expect(writable(0x835, 0x1e7ff)).toBe(true);
    expect(writable(0x83f, 0x77)).toBe(true);
    expect(drain(apic)).toEqual([0x77]);
  });
});

describe("register page (SDM 11.4.1)", () => {
  it("answers aligned 32-bit accesses, and only those count as writes", () => {
    const [apic] = apicSystem([1]).apics;
    const page = new ApicPage(apic);
    const result = { lo: 0, hi: 0 };
    const read = (offset: number, width: 1 | 2 | 4 | 8) => {
      page.memoryRead(offset, width, result);
      return result.lo;
    };
    page.memoryWrite(0xf0, 4, 0x1f0, 0);
    expect(read(0xf0, 4)).toBe(0x1f0);
    expect([read(0xf0, 1), read(0xf1, 1), read(0xf4, 4), read(0x23, 1)]).toEqual([0xf0, 1, 0, 1]);
    page.memoryWrite(0xf0, 1, 0, 0);
    page.memoryWrite(0xf2, 4, 0, 0);
    expect(read(0xf0, 8)).toBe(0x1f0);
    page.memoryWrite(0x310, 4, 0x01ffffff, 0);
    expect(read(0x310, 4)).toBe(0x01000000);
    // SELF IPI is no register of this mode
    page.memoryWrite(0x3f0, 4, 0x50, 0);
    expect(apic.pending()).toBe(-1);
    read(0x3f0, 4);
    page.memoryWrite(0x280, 4, 0, 0);
    expect(read(0x280, 4)).toBe(0x80);
  });
});
