import type { Exit } from "../vcpu.ts";

/**
 * The objects that exits are handed over in, which are used again each time. All have the fields of
 * all kinds: V8 reads what has one shape fast, and every moderator begins with `kind`.
 */
class AnyExit {
  readonly kind: Exit["kind"];
  port = 0;
  width = 1;
  string = false;
  value = 0;
  address = 0;
  lo = 0;
  hi = 0;
  msr = 0;
  index = 0;
  constant = false;
  leaf = 0;
  subleaf = 0;
  eax = 0;
  ebx = 0;
  ecx = 0;
  edx = 0;
  instruction = "vmcall";
  name = "invd";

  constructor(kind: Exit["kind"]) {
    this.kind = kind;
  }
}

type ExitOf<Kind extends Exit["kind"]> = Extract<Exit, { kind: Kind }>;

/** An exit of a kind, with what never changes in it. */
export function exitObject<Kind extends Exit["kind"]>(
  kind: Kind,
  constants: Partial<ExitOf<Kind>> = {},
): ExitOf<Kind> {
  return Object.assign(new AnyExit(kind), constants) as unknown as ExitOf<Kind>;
}
