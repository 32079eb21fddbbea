import { posix } from "node:path";
import { parseAst } from "rolldown/parseAst";
import { ROOMS } from "./rooms.ts";

/** What one source file asks of others, as written. */
export interface Dependencies {
  /** Module specifiers of static and dynamic imports, re-exports and type imports. */
  readonly modules: readonly string[];
  /** Reads of the wall clock or of chance, such as `Date.now`. */
  readonly nondeterminism: readonly string[];
}

interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

const NONDETERMINISTIC = new Set([
  "Date.now",
  "Math.random",
  "performance.now",
  "crypto.getRandomValues",
]);

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && typeof (value as Node).type === "string";

const literal = (value: unknown): string | undefined =>
  isNode(value) && value.type === "Literal" && typeof value.value === "string"
    ? value.value
    : isNode(value) && value.type === "TSLiteralType"
      ? literal(value.literal)
      : undefined;

const identifier = (value: unknown): string | undefined =>
  isNode(value) && value.type === "Identifier" ? String(value.name) : undefined;

/** Reads the imports of TypeScript source text. @throws SyntaxError from the parser. */
export function dependencies(source: string): Dependencies {
  const modules: string[] = [];
  const nondeterminism: string[] = [];
  const visit = (node: Node): void => {
    switch (node.type) {
      case "ImportDeclaration":
      case "ExportNamedDeclaration":
      case "ExportAllDeclaration":
      case "ImportExpression":
      case "TSImportType": {
        const module = literal(node.source) ?? literal(node.argument);
        if (module !== undefined) modules.push(module);
        break;
      }
      case "MemberExpression": {
        const name = `${identifier(node.object)}.${identifier(node.property)}`;
        if (NONDETERMINISTIC.has(name)) nondeterminism.push(name);
        break;
      }
      case "NewExpression":
        if (identifier(node.callee) === "Date" && (node.arguments as unknown[]).length === 0)
          nondeterminism.push("new Date()");
    }
    for (const field of Object.values(node))
      if (isNode(field)) visit(field);
      else if (Array.isArray(field)) for (const item of field) if (isNode(item)) visit(item);
  };
  visit(parseAst(source, { lang: "ts" }) as unknown as Node);
  return { modules, nondeterminism };
}

const isTest = (path: string) => /\.(test|bench)\.ts$/.test(path) || path.includes("/testing/");

/**
 * Every breach of the import rule in one file, in words.
 * @param path relative to `src/`, with forward slashes: `machine/clock.ts`
 */
export function breaches(path: string, source: string): string[] {
  const name = path.split("/")[0];
  const room = ROOMS[name];
  if (room === undefined)
    return [`src/${path}: src/${name} is no room of scripts/rooms.ts; give it one`];
  const found: string[] = [];
  const { modules, nondeterminism } = dependencies(source);
  for (const module of modules) {
    const breach = module.startsWith(".")
      ? relativeBreach(path, module)
      : isTest(path)
        ? undefined
        : packageBreach(name, module);
    if (breach !== undefined) found.push(`src/${path} imports "${module}": ${breach}`);
  }
  if (room.deterministic && !isTest(path))
    for (const call of nondeterminism)
      found.push(`src/${path} uses ${call}: ${name} takes time and chance only through its caller`);
  return found;
}

function relativeBreach(path: string, module: string): string | undefined {
  const target = posix.normalize(posix.join(posix.dirname(path), module));
  if (target.startsWith("..")) return isTest(path) ? undefined : "that is outside src/";
  const [from] = path.split("/");
  const [to] = target.split("/");
  // a test may look down through the whole house and at its own room, never up
  if (from === to || ROOMS[from].imports.includes(to)) return undefined;
  return `${from} may import ${ROOMS[from].imports.join(", ") || "no other room"}`;
}

function packageBreach(name: string, module: string): string | undefined {
  const room = ROOMS[name];
  const builtin = module.startsWith("node:");
  if (builtin) return room.browserSafe ? `${name} runs in a browser, nothing of Node` : undefined;
  if (room.packages.some((known) => module === known || module.startsWith(`${known}/`)))
    return undefined;
  return `${name} may import ${room.packages.join(", ") || "no package"}`;
}
