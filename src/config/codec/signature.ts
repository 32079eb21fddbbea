import { ConfigError } from "../config-error.ts";
import { isRevision, REVISIONS } from "../releases.ts";
import type { Architecture, Config, Revision } from "../types.ts";

/** The architecture byte at offset 5, revision 14 on. */
const ARCHITECTURES: readonly Architecture[] = ["x86", "arm", "arm64"];

/** What the first eight bytes of a file say; the architecture only from revision 14 on. */
export interface Identity {
  readonly kind: Config["kind"];
  readonly revision: Revision;
  readonly architecture: Architecture | undefined;
}

function magic(kind: Config["kind"], revision: Revision): string {
  if (revision < 14) return kind === "system" ? "JHSYST" : "JHCELL";
  return kind === "system" ? "JHSYS" : "JHCLL";
}

/** The first eight bytes of a file: magic, architecture (revision 14 on) and revision. */
export function signature(
  kind: Config["kind"],
  revision: Revision,
  architecture: Architecture,
): Uint8Array {
  const characters = Array.from(magic(kind, revision), (character) => character.charCodeAt(0));
  if (revision >= 14) characters.push(ARCHITECTURES.indexOf(architecture));
  return Uint8Array.of(...characters, revision & 0xff, revision >> 8);
}

/** @throws ConfigError if the file is none, or of a revision that was never released. */
export function identify(bytes: Uint8Array, file: string): Identity {
  if (bytes.length < 8)
    throw new ConfigError(
      file,
      0,
      "signature",
      `a configuration begins with a signature of 8 bytes, the file has ${bytes.length}`,
    );
  const text = String.fromCharCode(...bytes.subarray(0, 6));
  const kind = text.startsWith("JHSYS")
    ? "system"
    : text === "JHCELL" || text.startsWith("JHCLL")
      ? "cell"
      : undefined;
  if (kind === undefined)
    throw new ConfigError(
      file,
      0,
      "signature",
      "neither a system (JHSYST, JHSYS) nor a cell (JHCELL, JHCLL) configuration",
    );

  const revision = (bytes[6] ?? 0) | ((bytes[7] ?? 0) << 8);
  if (!isRevision(revision))
    throw new ConfigError(
      file,
      6,
      "revision",
      `${revision} was never released, known are ${REVISIONS.join(", ")}`,
    );
  if (!text.startsWith(magic(kind, revision)))
    throw new ConfigError(
      file,
      0,
      "signature",
      `revision ${revision} begins with ${magic(kind, revision)}`,
    );
  if (revision < 14) return { kind, revision, architecture: undefined };

  const architecture = ARCHITECTURES[bytes[5] ?? 0xff];
  if (architecture === undefined)
    throw new ConfigError(
      file,
      5,
      "architecture",
      `${bytes[5]} is not 0 (x86), 1 (ARM) or 2 (AArch64)`,
    );
  return { kind, revision, architecture };
}
