/**
 * Reads a build's log line by line and remembers little: the first real error, what fails, what warns.
 *
 * The first real error is not the first line with "error" in it. A build goes step by step, and each step
 * that is followed by another one has succeeded, whatever it printed; so candidates are forgotten at every
 * sign of progress (stops.ts), and what is left at the end belongs to the step that failed. Of these the
 * first certain one counts, then failing tests, then the likely one nearest to where the build stopped, then
 * the last thing that was said before it. A line by which make reports another's failure is never it.
 */
import { Candidate } from './candidate.ts';
import { failingTest, failurePlace, type FailingTest } from './failing-tests.ts';
import { missingIn } from './missing.ts';
import { matchError } from './patterns/patterns.ts';
import { NOISE, recipeOf, turnOf } from './stops.ts';
import { TracebackReader } from './traceback.ts';
import type { FirstError, LogFacts, Missing } from './types.ts';
import { warningKind } from './warnings.ts';

/** Lines kept before an error: a compiler's `In function ...` and the command. */
const BEFORE_LINES = 6;
const MAX_FAILING_TESTS = 50;
const MAX_MISSING = 50;
/** Files with a failed assertion; only the first test's is shown. */
const MAX_PLACES = 100;
/** gcc has about 300 flags; more kinds than this are made up by the build. */
const MAX_WARNING_KINDS = 200;
/** The largest builds install about 2,000 packages. */
const MAX_SET_UP = 5_000;

const SET_UP = /^Setting up ([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)? \(([^)\s]+)\) \.\.\.$/;
/** The step whose failures are failures of tests, whatever else is printed. */
const TEST_STEP = /^ {3}(?:dh_auto_test|debian\/rules (?:override|execute)_\w*dh_auto_test)/;

export class LogScanner {
  readonly #before: string[] = [];
  readonly #traceback = new TracebackReader();
  readonly #warnings = new Map<string, number>();
  readonly #setUp = new Map<string, string>();
  readonly #places = new Map<string, number>();
  #lines = 0;
  #logLine: number | null = 0;
  #certain: Candidate | null = null;
  #likely: Candidate | null = null;
  #test: Candidate | null = null;
  #last: Candidate | null = null;
  #hasStopped = false;
  #isTestStep = false;
  #failing: string[] = [];
  #failingCount = 0;

  /** The next line, cleaned (plain.ts). */
  take(line: string): void {
    this.#lines += 1;
    if (this.#logLine !== null) this.#logLine += 1;
    for (const each of this.#candidates()) each.addAfter(line);
    switch (turnOf(line)) {
      case 'progress':
        this.#forget();
        this.#isTestStep = TEST_STEP.test(line);
        break;
      case 'ignored':
        this.#forget();
        break;
      case 'stop':
        this.#stop(line);
        break;
      case null:
        this.#read(line);
        break;
    }
    this.#before.push(line);
    if (this.#before.length > BEFORE_LINES) this.#before.shift();
  }

  /** Part of the log is left out here: lines cannot be numbered any more. */
  skip(): void {
    this.#logLine = null;
    this.#forget();
    this.#before.length = 0;
  }

  /** `failed`: whether the attempt did; a success has no error, whatever its log says. */
  finish(failed: boolean): Omit<LogFacts, 'bytes' | 'skippedBytes'> {
    const found = failed ? this.#choose() : null;
    return {
      lines: this.#lines,
      firstError: found?.toError() ?? null,
      failingTests: failed ? this.#failing : [],
      failingTestCount: failed ? this.#failingCount : 0,
      missing: found ? missingAround(found.toError()) : [],
      warnings: Object.fromEntries(this.#warnings),
      setUp: Object.fromEntries(this.#setUp),
    };
  }

  #candidates(): Candidate[] {
    const all = [this.#certain, this.#likely, this.#test, this.#last];
    return all.filter((each) => each !== null);
  }

  #forget(): void {
    this.#certain = this.#likely = this.#test = this.#last = null;
    this.#hasStopped = false;
    this.#failing = [];
    this.#failingCount = 0;
    this.#places.clear();
  }

  #read(line: string): void {
    if (line === '') return;
    this.#count(line);
    const test = failingTest(line);
    if (test) this.#addTest(line, test);
    const place = failurePlace(line);
    if (place) this.#addPlace(place);
    const traceback = this.#traceback.take(line);
    if (traceback) {
      const found = this.#candidate(traceback.kind, line);
      if (traceback.file !== null) {
        found.place(traceback.file, traceback.fileLine);
        if (traceback.kind === 'tests') this.#test?.place(traceback.file, traceback.fileLine);
      }
      this.#certain ??= found;
      return;
    }
    const match = matchError(line);
    if (!match) return;
    const { pattern, groups } = match;
    if (pattern.trust === 'certain' ? this.#certain !== null : this.#hasStopped) return;
    const found = this.#candidate(pattern.kind, line);
    if (groups['file'] !== undefined) found.place(groups['file'], groups['line']);
    else if (groups['line'] !== undefined) found.placeLine(groups['line']);
    if (pattern.trust === 'certain') this.#certain = found;
    else this.#likely = found;
  }

  #count(line: string): void {
    const kind = warningKind(line);
    if (kind !== null && (this.#warnings.has(kind) || this.#warnings.size < MAX_WARNING_KINDS)) {
      this.#warnings.set(kind, (this.#warnings.get(kind) ?? 0) + 1);
    }
    const [, name, version] = line.startsWith('Setting up ') ? (SET_UP.exec(line) ?? []) : [];
    if (name !== undefined && version !== undefined && this.#setUp.size < MAX_SET_UP) {
      this.#setUp.set(name, version);
    }
  }

  #addTest(line: string, test: FailingTest): void {
    if (this.#test === null) {
      this.#test = this.#candidate('tests', line);
      if (test.file !== null) this.#test.place(test.file, this.#places.get(test.file));
    }
    if (this.#failing.includes(test.name)) return;
    this.#failingCount += 1;
    if (this.#failing.length < MAX_FAILING_TESTS) this.#failing.push(test.name.slice(0, 200));
  }

  /** Where an assertion failed: said after the test's name by some, before it by pytest. */
  #addPlace(place: { file: string; line: number }): void {
    this.#test?.place(place.file, place.line);
    if (this.#places.size < MAX_PLACES && !this.#places.has(place.file)) {
      this.#places.set(place.file, place.line);
    }
  }

  /** The first stop of a step: what was said right before it is the last resort. */
  #stop(line: string): void {
    if (this.#hasStopped) return;
    this.#hasStopped = true;
    const isCrash = /\] (?:Segmentation fault|Bus error|Aborted|Killed|Illegal instruction)/.test(line);
    const at = this.#before.findLastIndex((each) => !NOISE.test(each) && turnOf(each) === null);
    const said = this.#before[at];
    if (said === undefined) return;
    const logLine = this.#logLine === null ? null : this.#logLine - (this.#before.length - at);
    const after = [...this.#before.slice(at + 1), line];
    const kind = isCrash ? 'crash' : 'command';
    this.#last = new Candidate(kind, said, logLine, this.#before.slice(0, at), after);
    const recipe = recipeOf(line);
    if (recipe) this.#last.place(recipe.file, recipe.line);
  }

  #candidate(kind: FirstError['kind'], line: string): Candidate {
    return new Candidate(kind, line, this.#logLine, [...this.#before], []);
  }

  #choose(): Candidate | null {
    const [first, second] = this.#isTestStep ? [this.#test, this.#certain] : [this.#certain, this.#test];
    return first ?? second ?? this.#likely ?? this.#last;
  }
}

function missingAround(error: FirstError): Missing[] {
  const found = new Map<string, Missing>();
  for (const line of [error.text, ...error.after]) {
    for (const each of missingIn(line)) found.set(`${each.kind} ${each.name}`, each);
  }
  return [...found.values()].slice(0, MAX_MISSING);
}
