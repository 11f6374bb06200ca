/** The text of generated functions, line after line, with the constants they refer to. */
export class CodeWriter {
  readonly #constants: unknown[] = []
  readonly #functions: string[] = []
  #lines: string[] = []
  #nameCount = 0

  /** The values of `constants`, by the places that {@link constant} took. */
  get constants(): readonly unknown[] {
    return this.#constants
  }

  /** All functions so far. */
  get functions(): readonly string[] {
    return this.#functions
  }

  /** Adds a function whose body `write` writes; it may add others meanwhile. */
  function(name: string, parameters: string, write: () => void): void {
    const outer = this.#lines
    this.#lines = []
    write()
    this.#functions.push(`function ${name}(${parameters}) {\n${this.#lines.join('\n')}\n}`)
    this.#lines = outer
  }

  line(text: string): void {
    this.#lines.push(text)
  }

  /** A name that nothing else has. */
  name(): string {
    return `name${this.#nameCount++}`
  }

  /** A new local with this content. */
  local(content: string): string {
    const name = this.name()
    this.line(`const ${name} = ${content}`)
    return name
  }

  /** The name of a value that is beside the code, not in it. */
  constant(value: unknown): string {
    return `constant${this.#constants.push(value) - 1}`
  }

  /** Does what `refusal` says unless all of the conditions hold. */
  require(conditions: readonly string[], refusal: string): void {
    if (conditions.length > 0) this.line(`if (!(${conditions.join(' && ')})) ${refusal}`)
  }
}
