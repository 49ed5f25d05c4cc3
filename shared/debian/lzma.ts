/**
 * The LZMA2 payload of an .xz block, unpacked in memory: for control members of some kilobytes, where a
 * child process would cost a hundred times the work. Written for hostile input: the output is bounded by the
 * buffer that the caller gives, every distance is checked, and each loop ends with the input.
 */

/** What a stream that is broken throws; callers turn it into their own error. */
export class LzmaError extends Error {}

const TOP = 0x1000000;
const HALF = 1024;
/** Places in the range coder's state. */
const RANGE = 0;
const CODE = 1;
const STATES = 12;
const POSITION_STATES = 16;
/** Literal coders: 0x300 probabilities for each of 2^(lc+lp), at most 16 in LZMA2. */
const LITERAL_SIZE = 0x300;
const MAX_LITERAL_BITS = 4;
const LENGTH_SIZE = 2 + POSITION_STATES * 8 * 2 + 256;

// Where each set of probabilities begins in the one array that holds them all.
const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * POSITION_STATES;
const IS_REP0 = IS_REP + STATES;
const IS_REP1 = IS_REP0 + STATES;
const IS_REP2 = IS_REP1 + STATES;
const IS_REP0_LONG = IS_REP2 + STATES;
const DISTANCE_SLOT = IS_REP0_LONG + STATES * POSITION_STATES;
const DISTANCE_SPECIAL = DISTANCE_SLOT + 4 * 64;
const ALIGN = DISTANCE_SPECIAL + 128;
const LENGTH = ALIGN + 16;
const REP_LENGTH = LENGTH + LENGTH_SIZE;
const LITERAL = REP_LENGTH + LENGTH_SIZE;
const PROBABILITIES = LITERAL + (LITERAL_SIZE << MAX_LITERAL_BITS);

/** One for all: a decoder runs to its end without a pause, and every stream begins by resetting it. */
const PROBABILITY_ROOM = new Uint16Array(PROBABILITIES);

/** Both are always there. */
type CoderState = Uint32Array & { [RANGE]: number; [CODE]: number };

/** Unpacks chunk after chunk of one LZMA2 stream into `out`. */
export class Lzma2Decoder {
  readonly #input: Uint8Array;
  readonly #out: Uint8Array;
  readonly #dictionaryBytes: number;
  readonly #probabilities = PROBABILITY_ROOM;
  #at: number;
  #end = 0;
  /** In an array of their own type range and code stay plain 32-bit numbers: a quarter of the time. */
  readonly #coder = new Uint32Array(2) as CoderState;
  #written = 0;
  #dictionaryStart = 0;
  #literalContextBits = 0;
  #literalPositionMask = 0;
  #positionMask = 0;
  #state = 0;
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;

  /** Reads `input` from `at`. */
  constructor(input: Uint8Array, at: number, out: Uint8Array, dictionaryBytes: number) {
    this.#input = input;
    this.#at = at;
    this.#out = out;
    this.#dictionaryBytes = dictionaryBytes;
  }

  /** Unpacks to the end marker; returns where the input ends and how much was written. Throws {@link LzmaError}. */
  unpack(): { at: number; written: number } {
    let needsDictionary = true;
    let needsProperties = true;
    let needsState = true;
    for (;;) {
      const control = this.#byte();
      if (control === 0) return { at: this.#at, written: this.#written };
      if (control >= 0xe0 || control === 1) {
        this.#dictionaryStart = this.#written;
        needsDictionary = false;
        if (control === 1) needsState = true;
      }
      if (needsDictionary) throw new LzmaError('a chunk comes before its dictionary');
      if (control < 0x80) {
        if (control > 2) throw new LzmaError('a chunk of no known kind');
        this.#copyPlain(this.#twoBytes() + 1);
        continue;
      }
      const size = ((control & 0x1f) << 16) + this.#twoBytes() + 1;
      const packed = this.#twoBytes() + 1;
      if (control >= 0xc0) {
        this.#setProperties(this.#byte());
        needsProperties = false;
      }
      if (needsProperties) throw new LzmaError('a chunk comes before its properties');
      if (control >= 0xa0) {
        this.#resetState();
        needsState = false;
      }
      if (needsState) throw new LzmaError('a chunk comes before its state');
      this.#unpackChunk(size, packed);
    }
  }

  #byte(): number {
    const value = this.#input[this.#at];
    if (value === undefined) throw new LzmaError('the input ends early');
    this.#at += 1;
    return value;
  }

  #twoBytes(): number {
    return this.#byte() * 256 + this.#byte();
  }

  #copyPlain(size: number): void {
    if (this.#at + size > this.#input.length) throw new LzmaError('the input ends early');
    if (this.#written + size > this.#out.length) throw new LzmaError('it unpacks to more than it says');
    this.#out.set(this.#input.subarray(this.#at, this.#at + size), this.#written);
    this.#at += size;
    this.#written += size;
  }

  #setProperties(value: number): void {
    if (value >= 9 * 5 * 5) throw new LzmaError('properties that cannot be');
    const lc = value % 9;
    const rest = Math.floor(value / 9);
    const lp = rest % 5;
    if (lc + lp > MAX_LITERAL_BITS) throw new LzmaError('properties that cannot be');
    this.#literalContextBits = lc;
    this.#literalPositionMask = (1 << lp) - 1;
    this.#positionMask = (1 << Math.floor(rest / 5)) - 1;
  }

  #resetState(): void {
    this.#probabilities.fill(HALF);
    this.#state = 0;
    this.#rep0 = 0;
    this.#rep1 = 0;
    this.#rep2 = 0;
    this.#rep3 = 0;
  }

  #unpackChunk(size: number, packed: number): void {
    this.#end = this.#at + packed;
    if (packed < 5 || this.#end > this.#input.length) throw new LzmaError('the input ends early');
    const limit = this.#written + size;
    if (limit > this.#out.length) throw new LzmaError('it unpacks to more than it says');
    if (this.#byte() !== 0) throw new LzmaError('a chunk does not begin with zero');
    this.#coder[RANGE] = 0xffffffff;
    this.#coder[CODE] = this.#twoBytes() * 65_536 + this.#twoBytes();
    while (this.#written < limit) this.#symbol(limit);
    // The coder reads ahead as far as it needs; a byte more or less means that the chunk is broken.
    if (this.#coder[RANGE] < TOP) this.#shift();
    if (this.#at !== this.#end || this.#coder[CODE] !== 0)
      throw new LzmaError('a chunk does not end where it says');
  }

  #shift(): void {
    if (this.#at >= this.#end) throw new LzmaError('a chunk ends early');
    const coder = this.#coder;
    coder[RANGE] <<= 8;
    coder[CODE] = (coder[CODE] << 8) | (this.#input[this.#at] as number);
    this.#at += 1;
  }

  #bit(index: number): 0 | 1 {
    const coder = this.#coder;
    if (coder[RANGE] < TOP) this.#shift();
    const probability = this.#probabilities[index] as number;
    const bound = ((coder[RANGE] >>> 11) * probability) >>> 0;
    if (coder[CODE] < bound) {
      coder[RANGE] = bound;
      this.#probabilities[index] = probability + ((2048 - probability) >>> 5);
      return 0;
    }
    coder[RANGE] -= bound;
    coder[CODE] -= bound;
    this.#probabilities[index] = probability - (probability >>> 5);
    return 1;
  }

  /** `count` bits of even chance. */
  #direct(count: number): number {
    const coder = this.#coder;
    let value = 0;
    for (let left = count; left > 0; left -= 1) {
      if (coder[RANGE] < TOP) this.#shift();
      coder[RANGE] >>>= 1;
      if (coder[CODE] >= coder[RANGE]) {
        coder[CODE] -= coder[RANGE];
        value = value * 2 + 1;
      } else {
        value *= 2;
      }
    }
    return value;
  }

  #tree(start: number, bits: number): number {
    let node = 1;
    for (let left = bits; left > 0; left -= 1) node = node * 2 + this.#bit(start + node);
    return node - (1 << bits);
  }

  #reverseTree(start: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let at = 0; at < bits; at += 1) {
      const bit = this.#bit(start + node);
      node = node * 2 + bit;
      value += bit << at;
    }
    return value;
  }

  /** A literal, a match, or a repetition of an earlier distance. */
  #symbol(limit: number): void {
    const positionState = (this.#written - this.#dictionaryStart) & this.#positionMask;
    if (this.#bit(IS_MATCH + this.#state * POSITION_STATES + positionState) === 0) {
      this.#literal();
      return;
    }
    let length: number;
    if (this.#bit(IS_REP + this.#state) === 0) {
      this.#rep3 = this.#rep2;
      this.#rep2 = this.#rep1;
      this.#rep1 = this.#rep0;
      length = this.#length(LENGTH, positionState);
      this.#rep0 = this.#distance(length);
      this.#state = this.#state < 7 ? 7 : 10;
    } else {
      length = this.#repetition(positionState);
    }
    this.#copyMatch(length, limit);
  }

  #repetition(positionState: number): number {
    if (this.#bit(IS_REP0 + this.#state) === 0) {
      if (this.#bit(IS_REP0_LONG + this.#state * POSITION_STATES + positionState) === 0) {
        this.#state = this.#state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      let distance = this.#rep1;
      if (this.#bit(IS_REP1 + this.#state) === 1) {
        distance = this.#rep2;
        if (this.#bit(IS_REP2 + this.#state) === 1) {
          distance = this.#rep3;
          this.#rep3 = this.#rep2;
        }
        this.#rep2 = this.#rep1;
      }
      this.#rep1 = this.#rep0;
      this.#rep0 = distance;
    }
    const length = this.#length(REP_LENGTH, positionState);
    this.#state = this.#state < 7 ? 8 : 11;
    return length;
  }

  #literal(): void {
    const at = this.#written;
    const position = at - this.#dictionaryStart;
    const before = position > 0 ? (this.#out[at - 1] as number) : 0;
    const context =
      ((position & this.#literalPositionMask) << this.#literalContextBits) +
      (before >>> (8 - this.#literalContextBits));
    const start = LITERAL + LITERAL_SIZE * context;
    let symbol = 1;
    if (this.#state >= 7) {
      // After a match, the byte that would have followed it says which probabilities count.
      let match = this.#byteBefore(this.#rep0);
      while (symbol < 0x100) {
        const matchBit = (match >>> 7) & 1;
        match <<= 1;
        const bit = this.#bit(start + ((1 + matchBit) << 8) + symbol);
        symbol = symbol * 2 + bit;
        if (matchBit !== bit) break;
      }
    }
    while (symbol < 0x100) symbol = symbol * 2 + this.#bit(start + symbol);
    this.#out[at] = symbol & 0xff;
    this.#written = at + 1;
    if (this.#state < 4) this.#state = 0;
    else this.#state -= this.#state < 10 ? 3 : 6;
  }

  #length(start: number, positionState: number): number {
    if (this.#bit(start) === 0) return 2 + this.#tree(start + 2 + positionState * 8, 3);
    if (this.#bit(start + 1) === 0) {
      return 10 + this.#tree(start + 2 + POSITION_STATES * 8 + positionState * 8, 3);
    }
    return 18 + this.#tree(start + 2 + POSITION_STATES * 16, 8);
  }

  #distance(length: number): number {
    const slot = this.#tree(DISTANCE_SLOT + Math.min(length - 2, 3) * 64, 6);
    if (slot < 4) return slot;
    const bits = (slot >>> 1) - 1;
    const base = (2 + (slot & 1)) * 2 ** bits;
    if (slot < 14) return base + this.#reverseTree(DISTANCE_SPECIAL + base - slot, bits);
    return base + this.#direct(bits - 4) * 16 + this.#reverseTree(ALIGN, 4);
  }

  #byteBefore(distance: number): number {
    const reach = Math.min(this.#written - this.#dictionaryStart, this.#dictionaryBytes);
    if (distance >= reach) throw new LzmaError('a match reaches before the start');
    return this.#out[this.#written - distance - 1] as number;
  }

  #copyMatch(length: number, limit: number): void {
    this.#byteBefore(this.#rep0);
    const end = this.#written + length;
    if (end > limit) throw new LzmaError('a match goes past its chunk');
    const out = this.#out;
    const from = this.#rep0 + 1;
    for (let at = this.#written; at < end; at += 1) out[at] = out[at - from] as number;
    this.#written = end;
  }
}
