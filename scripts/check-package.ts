/**
 * What somebody gets who installs the package: packs it, installs the archive into an empty
 * folder, and runs the installed command there.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "gaoler-package-"));

function run(command: string, args: string[], cwd: string): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (status !== 0)
    throw new Error(
      `${command} ${args.join(" ")} ended with ${error ?? status}\n${stdout}\n${stderr}`,
    );
  return stdout;
}

function expect(text: string, pattern: RegExp, what: string): void {
  if (!pattern.test(text)) throw new Error(`${what}: expected ${pattern}, got:\n${text}`);
  console.log(`ok: ${what}`);
}

try {
  run("npm", ["pack", "--pack-destination", folder], root);
  const archive = readdirSync(folder).find((name) => name.endsWith(".tgz"));
  if (archive === undefined) throw new Error("npm pack wrote no archive");
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  run("npm", ["install", "--prefer-offline", join(folder, archive)], folder);

  const gaoler = join(folder, "node_modules/.bin/gaoler");
  expect(run(gaoler, ["--version"], folder), /^\d+\.\d+\.\d+$/m, "gaoler --version");
  expect(run(gaoler, ["demo", "--list"], folder), /^apic-demo\b/m, "gaoler demo --list");
  expect(run(gaoler, ["demo"], folder), /Breaker is closed.*TRIP by the operator/s, "gaoler demo");
  const lines =
    run(gaoler, ["demo", "apic-demo"], folder).match(/Timer fired, jitter/g)?.length ?? 0;
  expect(String(lines), /^\d{2,}$/, `gaoler demo apic-demo prints ${lines} timer lines`);
  run(gaoler, ["inmate", "new", "hello"], folder);
  expect(readdirSync(join(folder, "hello")).join(" "), /Makefile/, "gaoler inmate new");
  writeFileSync(
    join(folder, "library.ts"),
    'import { Session } from "gaoler";\nconsole.log(typeof Session);\n',
  );
  expect(run("node", ["library.ts"], folder), /^function$/m, 'import { Session } from "gaoler"');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
