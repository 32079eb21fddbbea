/** Whatever a cell configuration says, creating the cell ends in a cell or in a refusal. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigError, decodeConfig, encodeConfig } from "../config/index.ts";
import type { Config } from "../config/types.ts";
import { demo, enabled } from "./testing/machine.ts";

const FILES = [
  encodeConfig(demo("ivshmem-demo")),
  encodeConfig(demo("ioapic-demo")),
  encodeConfig(demo("pci-demo")),
];

function decode(bytes: Uint8Array): Config | undefined {
  try {
    return decodeConfig(bytes, { file: "mutated" });
  } catch (error) {
    if (error instanceof ConfigError) return undefined;
    throw error;
  }
}

test("mutated configurations", () => {
  const machine = enabled(12);
  const { hypervisor } = machine;
  const { root, pool } = hypervisor.core;
  const ports = root.ports.ranges();
  const used = pool.used;
  const mutation = fc.array(fc.tuple(fc.nat(427), fc.nat(255)), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(fc.constantFrom(...FILES), mutation, (file, changes) => {
      const bytes = file.slice();
      // not the signature, which only chooses the format
      for (const [offset, value] of changes) if (offset >= 8) bytes[offset % bytes.length] = value;
      const config = decode(bytes);
      if (config?.kind !== "cell") return;
      const created = hypervisor.settle(hypervisor.createCell(config), 0);
      if (created.ok) {
        hypervisor.settle(hypervisor.startCell(created.value.id), 0);
        hypervisor.partitionMap(created.value);
        created.value.comm.state = 2;
        expect(hypervisor.settle(hypervisor.destroyCell(created.value.id), 0).ok).toBe(true);
      }
      expect(root.cpus.length).toBe(4);
      expect(root.ports.ranges()).toEqual(ports);
      expect(pool.used).toBe(used);
      expect(root.map.lookup(0x3ee0_0000)).toBeDefined();
    }),
    { numRuns: 400 },
  );
});
