/** What was asked for cannot be done as asked. Exit status 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Errors that say what is wrong with the input: shown without a stack, exit status 2. */
const INPUT_ERRORS = new Set([
  "UsageError",
  "ScenarioError",
  "ConfigError",
  "ElfError",
  "MultibootError",
]);

export const isInputError = (error: unknown): error is Error =>
  error instanceof Error && INPUT_ERRORS.has(error.name);
