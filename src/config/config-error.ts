/** A configuration that breaks a rule of the format: says where, and which rule. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** The file, or the name of the configuration being encoded. */
  readonly file: string;
  /** Byte offset in the file. */
  readonly offset: number;
  /** The field, named as in the format; its property name where a configuration is being encoded. */
  readonly field: string;
  /** What the format demands, and what was there instead. */
  readonly rule: string;

  constructor(file: string, offset: number, field: string, rule: string) {
    super(`${file}: offset 0x${offset.toString(16)}: ${field}: ${rule}`);
    this.file = file;
    this.offset = offset;
    this.field = field;
    this.rule = rule;
  }
}
