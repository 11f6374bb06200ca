// How two schemas of one stream differ, in words that name the field: for the refusal that both sides log.

/** How deep to look. A shape comes from another machine and may be nested deeper than anybody would write. */
const depthMax = 32
const namesCharsMax = 64

type Shape = Readonly<Record<string, unknown>>

/**
 * The first differences between what the producer sends and what the consumer expects, such as
 * `/load: producer number, consumer string`; at most `max` of them. Empty when the shapes are equal, or one of them is no
 * shape.
 */
export function schemaDifferences(producerShape: string, consumerShape: string, max = 3): readonly string[] {
  const [producer, consumer] = [parsed(producerShape), parsed(consumerShape)]
  if (producer === undefined || consumer === undefined) return []
  const differences = new Differences(max)
  differences.compare('', producer, consumer, 0)
  return differences.found
}

class Differences {
  readonly found: string[] = []
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  compare(path: string, producer: Shape, consumer: Shape, depth: number): void {
    if (this.found.length >= this.#max || sameShape(producer, consumer)) return
    if (depth >= depthMax) return this.#add(path, 'one schema', 'another')
    if (
      producer['type'] === 'object' &&
      consumer['type'] === 'object' &&
      hasFields(producer) &&
      hasFields(consumer)
    ) {
      return this.#compareObjects(path, producer, consumer, depth)
    }
    const [itemsOfProducer, itemsOfConsumer] = [producer['items'], consumer['items']]
    if (
      isShape(itemsOfProducer) &&
      isShape(itemsOfConsumer) &&
      !sameShape(itemsOfProducer, itemsOfConsumer)
    ) {
      return this.compare(`${path}/*`, itemsOfProducer, itemsOfConsumer, depth + 1)
    }
    const [wordsOfProducer, wordsOfConsumer] = [describe(producer), describe(consumer)]
    if (wordsOfProducer !== wordsOfConsumer) return this.#add(path, wordsOfProducer, wordsOfConsumer)
    // The same kind of value with other constraints: those that differ say it best.
    for (const keyword of Object.keys({ ...producer, ...consumer })) {
      const [a, b] = [producer[keyword], consumer[keyword]]
      if (JSON.stringify(a) === JSON.stringify(b)) continue
      this.#add(path, constraint(wordsOfProducer, keyword, a), constraint(wordsOfConsumer, keyword, b))
    }
  }

  #compareObjects(path: string, producer: Shape, consumer: Shape, depth: number): void {
    const fieldsOfProducer = fieldsOf(producer)
    const fieldsOfConsumer = fieldsOf(consumer)
    for (const name of new Set([...fieldsOfProducer.keys(), ...fieldsOfConsumer.keys()])) {
      const [a, b] = [fieldsOfProducer.get(name), fieldsOfConsumer.get(name)]
      const fieldPath = `${path}/${name.slice(0, namesCharsMax)}`
      if (a === undefined || b === undefined) {
        this.#add(
          fieldPath,
          a === undefined ? 'nothing' : describe(a),
          b === undefined ? 'nothing' : describe(b),
        )
        continue
      }
      const [isRequired, isExpected] = [isRequiredIn(producer, name), isRequiredIn(consumer, name)]
      if (isRequired !== isExpected) this.#add(fieldPath, presence(isRequired), presence(isExpected))
      else this.compare(fieldPath, a, b, depth + 1)
    }
    const [restOfProducer, restOfConsumer] = [describeRest(producer), describeRest(consumer)]
    if (restOfProducer !== restOfConsumer) this.#add(`${path}/*`, restOfProducer, restOfConsumer)
  }

  #add(path: string, producer: string, consumer: string): void {
    if (this.found.length >= this.#max) return
    this.found.push(`${path === '' ? '/' : path}: producer ${producer}, consumer ${consumer}`)
  }
}

/** A schema in a few words: `number`, `array of text`, `"buy" or "sell"`. */
function describe(shape: Shape, depth = 0): string {
  if (depth > 3) return 'something'
  const allowed = shape['enum']
  if (Array.isArray(allowed)) return cut(allowed.map((value) => JSON.stringify(value)).join(' or '))
  const options = shape['anyOf'] ?? shape['oneOf']
  if (Array.isArray(options))
    return cut(options.map((option) => describe(asShape(option), depth + 1)).join(' or '))
  const { type } = shape
  if (Array.isArray(type)) return cut(type.join(' or '))
  if (type === 'array') {
    const { items } = shape
    return isShape(items) ? `array of ${describe(items, depth + 1)}` : 'array'
  }
  if (type === 'object' && isShape(shape['additionalProperties']) && !hasFields(shape)) {
    return `record of ${describe(shape['additionalProperties'], depth + 1)}`
  }
  if (typeof type === 'string') return cut(type)
  return '$up' in shape ? 'a part of itself' : Object.keys(shape).length === 0 ? 'anything' : 'something else'
}

function describeRest(shape: Shape): string {
  const rest = shape['additionalProperties']
  if (rest === false || rest === undefined) return 'nothing'
  return isShape(rest) ? describe(rest) : 'anything'
}

function constraint(words: string, keyword: string, value: unknown): string {
  return value === undefined ? words : cut(`${words} with ${keyword} ${JSON.stringify(value)}`)
}

function presence(required: boolean): string {
  return required ? 'required' : 'optional'
}

function isRequiredIn(shape: Shape, name: string): boolean {
  const { required } = shape
  return Array.isArray(required) && required.includes(name)
}

function fieldsOf(shape: Shape): ReadonlyMap<string, Shape> {
  const properties = asShape(shape['properties'])
  return new Map(Object.entries(properties).map(([name, field]) => [name, asShape(field)]))
}

function hasFields(shape: Shape): boolean {
  return isShape(shape['properties']) || shape['additionalProperties'] === false
}

/** Shapes are canonical, so that equal ones have equal text. */
function sameShape(a: Shape, b: Shape): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function cut(text: string): string {
  return text.length <= 2 * namesCharsMax ? text : `${text.slice(0, 2 * namesCharsMax - 1)}…`
}

function parsed(text: string): Shape | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isShape(value) ? value : undefined
  } catch {
    return undefined
  }
}

function asShape(value: unknown): Shape {
  return isShape(value) ? value : {}
}

function isShape(value: unknown): value is Shape {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
