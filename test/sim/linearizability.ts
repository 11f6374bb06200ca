/**
 * One call of a client on a replicated object, as the client saw it. Times are of one clock that all clients share; only
 * their order counts.
 */
export interface Operation<Input, Output> {
  readonly client: number
  readonly input: Input
  /** When the client asked. */
  readonly invokedAt: number
  /**
   * What came back and when. Undefined: the outcome is unknown, because the client gave up or crashed. Such an operation
   * may have taken effect at any time since it was invoked, may still do so, or may never.
   */
  readonly completion: { readonly at: number; readonly output: Output } | undefined
}

/** What the object does when nothing happens at the same time. */
export interface SequentialModel<State, Input, Output> {
  readonly initial: State
  /** The state after the input, and what is answered. Must not change `state`. */
  apply(state: State, input: Input): { readonly state: State; readonly output: Output }
  /** Whether two states are the same to every future input. */
  sameState(a: State, b: State): boolean
  sameOutput(a: Output, b: Output): boolean
  /** Whether the input changes no state, whatever the state. */
  isReadOnly(input: Input): boolean
  /**
   * Whether somebody may have seen what came of this state. If nobody has, whatever order has an operation of unknown
   * outcome that leads to it is an order without that operation: so none is looked for with it. Default: somebody may.
   */
  mayBeSeen?(state: State): boolean
}

export type Verdict<Input, Output> =
  | { readonly linearizable: 'yes' }
  /** The search was given up. */
  | { readonly linearizable: 'undecided' }
  | {
      readonly linearizable: 'no'
      /** The longest order that was found for as many operations as possible. */
      readonly prefix: readonly Operation<Input, Output>[]
      /** The operation that had to come before any later one could, and did not fit behind the prefix. */
      readonly stuckAt: Operation<Input, Output>
    }

/** How many steps a search takes before it is given up, unless told otherwise: some seconds, and some 100 MB. */
const STEPS_MAX = 500_000

/**
 * Whether there is an order of the operations in which each of them takes effect at one moment between its invocation and
 * its completion, and answers what the model answers (Herlihy and Wing, "Linearizability", 1990).
 *
 * The search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993) with Lowe's memory of the places
 * where it has been ("Testing for linearizability", 2017): the same operations done with the same state as the outcome lead
 * nowhere a second time. Exponential in the number of operations that overlap, linear in those that do not; an operation
 * of unknown outcome overlaps with all that come later, so it is only tried where nothing else fits. Objects that have
 * nothing to do with each other are to be checked one by one: see {@link partition}.
 */
export function checkLinearizability<State, Input, Output>(
  model: SequentialModel<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  stepsMax: number = STEPS_MAX,
): Verdict<Input, Output> {
  // A read without an outcome says nothing and does nothing.
  const relevant = operations.filter(
    ({ input, completion }) => completion !== undefined || !model.isReadOnly(input),
  )
  return new Search(model, relevant).run(stepsMax)
}

/** The operations on each key, in the order given. Linearizability of the whole is that of its parts (ibid., theorem 1). */
export function partition<Input, Output>(
  operations: readonly Operation<Input, Output>[],
  keyOf: (input: Input) => string,
): Map<string, Operation<Input, Output>[]> {
  const parts = new Map<string, Operation<Input, Output>[]>()
  for (const operation of operations) {
    const key = keyOf(operation.input)
    const part = parts.get(key)
    if (part) part.push(operation)
    else parts.set(key, [operation])
  }
  return parts
}

/** A place in a list of marks, and where the list begins. */
interface Place<Input, Output> {
  next: Mark<Input, Output> | undefined
}

/** The beginning or the end of an operation, in a doubly linked list in the order of their times. */
interface Mark<Input, Output> extends Place<Input, Output> {
  readonly at: number
  readonly operation: Operation<Input, Output>
  readonly number: number
  /** The mark of the end, on a beginning that has one. */
  readonly end: Mark<Input, Output> | undefined
  readonly isEnd: boolean
  previous: Place<Input, Output>
}

interface Step<State, Input, Output> {
  readonly mark: Mark<Input, Output>
  readonly stateBefore: State
}

class Search<State, Input, Output> {
  readonly #model: SequentialModel<State, Input, Output>
  readonly #completedCount: number
  /** Beginnings and ends of what was completed. */
  readonly #completed: Place<Input, Output> = { next: undefined }
  /** Beginnings of what has no known end. */
  readonly #unknown: Place<Input, Output> = { next: undefined }
  readonly #done: HashedSet
  readonly #visited: VisitedPlaces<State>

  constructor(model: SequentialModel<State, Input, Output>, operations: readonly Operation<Input, Output>[]) {
    this.#model = model
    const marks = operations.flatMap((operation, number) => marksOf(operation, number))
    const completed = marks.filter(({ operation }) => operation.completion !== undefined)
    this.#completedCount = completed.length / 2
    link(this.#completed, completed)
    link(
      this.#unknown,
      marks.filter(({ operation }) => operation.completion === undefined),
    )
    this.#done = new HashedSet(operations.length)
    this.#visited = new VisitedPlaces((a, b) => model.sameState(a, b))
  }

  run(stepsMax: number): Verdict<Input, Output> {
    const path: Step<State, Input, Output>[] = []
    let state = this.#model.initial
    let completedCount = 0
    let longest: readonly Operation<Input, Output>[] = []
    let stuckAt: Operation<Input, Output> | undefined
    let mark = this.#completed.next
    for (let steps = 0; completedCount < this.#completedCount; steps++) {
      if (steps === stepsMax) return { linearizable: 'undecided' }
      if (mark?.isEnd) mark = this.#firstUnknownBefore(mark.at)
      if (mark) {
        const next = this.#tryNext(mark, state)
        if (next) {
          path.push({ mark, stateBefore: state })
          state = next.state
          if (mark.end) completedCount++
          lift(mark)
          mark = this.#completed.next
        } else {
          mark = this.#following(mark)
        }
        continue
      }
      // All that may come next was tried: every other operation begins after the end of one that was not done.
      if (stuckAt === undefined || path.length > longest.length) {
        longest = path.map((step) => step.mark.operation)
        stuckAt = this.#firstEnd().operation
      }
      const last = path.pop()
      if (!last) return { linearizable: 'no', prefix: longest, stuckAt }
      state = last.stateBefore
      this.#done.delete(last.mark.number)
      if (last.mark.end) completedCount--
      restore(last.mark)
      mark = this.#following(last.mark)
    }
    return { linearizable: 'yes' }
  }

  /** Does the operation next, unless its answer does not fit or this place was seen before. */
  #tryNext(mark: Mark<Input, Output>, state: State): { readonly state: State } | undefined {
    const { input, completion } = mark.operation
    const result = this.#model.apply(state, input)
    const mayBe = completion
      ? this.#model.sameOutput(result.output, completion.output)
      : (this.#model.mayBeSeen?.(result.state) ?? true)
    if (!mayBe) return undefined
    this.#done.add(mark.number)
    if (this.#visited.add(this.#done, result.state)) return result
    this.#done.delete(mark.number)
    return undefined
  }

  /** What may come next instead of the operation that begins at `mark`. */
  #following(mark: Mark<Input, Output>): Mark<Input, Output> | undefined {
    if (mark.end || !mark.next || mark.next.at <= this.#firstEnd().at) return mark.next
    return undefined
  }

  #firstUnknownBefore(endMs: number): Mark<Input, Output> | undefined {
    const first = this.#unknown.next
    return first && first.at <= endMs ? first : undefined
  }

  /** There is one as long as not all that was completed is done. */
  #firstEnd(): Mark<Input, Output> {
    let mark = this.#completed.next!
    while (!mark.isEnd) mark = mark.next!
    return mark
  }
}

function marksOf<Input, Output>(operation: Operation<Input, Output>, number: number): Mark<Input, Output>[] {
  const unplaced = { operation, number, previous: { next: undefined }, next: undefined }
  const { invokedAt, completion } = operation
  if (!completion) return [{ ...unplaced, at: invokedAt, end: undefined, isEnd: false }]
  const end = { ...unplaced, at: completion.at, end: undefined, isEnd: true }
  return [{ ...unplaced, at: invokedAt, end, isEnd: false }, end]
}

function link<Input, Output>(head: Place<Input, Output>, marks: Mark<Input, Output>[]): void {
  // What begins when another ends overlaps with it: beginnings first, so that equal times exclude nothing.
  marks.sort((a, b) => a.at - b.at || Number(a.isEnd) - Number(b.isEnd))
  let last = head
  for (const mark of marks) {
    mark.previous = last
    last.next = mark
    last = mark
  }
}

/** Takes both marks of an operation out of the list. They remember where they were. */
function lift<Input, Output>(begin: Mark<Input, Output>): void {
  unlink(begin)
  if (begin.end) unlink(begin.end)
}

/** Puts back what was lifted last. */
function restore<Input, Output>(begin: Mark<Input, Output>): void {
  if (begin.end) relink(begin.end)
  relink(begin)
}

function unlink<Input, Output>(mark: Mark<Input, Output>): void {
  mark.previous.next = mark.next
  if (mark.next) mark.next.previous = mark.previous
}

function relink<Input, Output>(mark: Mark<Input, Output>): void {
  mark.previous.next = mark
  if (mark.next) mark.next.previous = mark
}

/** A set of small integers that knows its hash. */
class HashedSet {
  readonly words: Uint32Array
  hash = 0

  constructor(size: number) {
    this.words = new Uint32Array((size + 31) >>> 5)
  }

  add(number: number): void {
    this.words[number >>> 5]! |= 1 << (number & 31)
    this.hash ^= scatter(number)
  }

  delete(number: number): void {
    this.words[number >>> 5]! &= ~(1 << (number & 31))
    this.hash ^= scatter(number)
  }
}

/** Which operations were done with which state as the outcome. */
class VisitedPlaces<State> {
  readonly #places = new Map<number, { readonly words: Uint32Array; readonly state: State }[]>()
  readonly #sameState: (a: State, b: State) => boolean

  constructor(sameState: (a: State, b: State) => boolean) {
    this.#sameState = sameState
  }

  /** False when it was there already. */
  add(done: HashedSet, state: State): boolean {
    const places = this.#places.get(done.hash)
    if (!places) {
      this.#places.set(done.hash, [{ words: done.words.slice(), state }])
      return true
    }
    if (places.some((place) => this.#sameState(place.state, state) && sameWords(place.words, done.words))) {
      return false
    }
    places.push({ words: done.words.slice(), state })
    return true
  }
}

function sameWords(a: Uint32Array, b: Uint32Array): boolean {
  return a.every((word, i) => word === b[i])
}

/** The finalizer of MurmurHash3: spreads neighbouring numbers over all 32 bits. */
function scatter(number: number): number {
  let hash = Math.imul(number + 0x9e3779b9, 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}
