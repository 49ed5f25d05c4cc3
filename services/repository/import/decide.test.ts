import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { queueSchema } from '../../../shared/config/common.ts';
import { compareVersions } from '../../../shared/debian/version.ts';
import { decide, type Contender } from './decide.ts';

function scope(versions: number) {
  const { retention } = queueSchema.parse({ retention: { versions } });
  return {
    queue: { name: 'stable', retention },
    product: { name: 'bookworm', components: ['main'], architectures: ['amd64', 'i386'] },
  };
}

let last = 0;
/** `hello 1.0 amd64`, of the source of that name and version unless told otherwise. */
function offered(text: string, more: Partial<Contender> = {}): Contender {
  const [name = '', version = '', architecture = ''] = text.split(' ');
  last += 1;
  return {
    ...{ id: String(last), isHeld: false, component: 'main', name, version, architecture },
    ...{ kind: architecture === 'source' ? 'source' : 'deb', source: name, sourceVersion: version },
    ...more,
  };
}
const held = (text: string, more: Partial<Contender> = {}): Contender =>
  offered(text, { isHeld: true, ...more });

function outcome(versions: number, contenders: Contender[]): string[] {
  const { verdicts, leave } = decide(scope(versions), contenders);
  const named = new Map(
    contenders.map((each) => [each.id, `${each.name} ${each.version} ${each.architecture}`]),
  );
  return [
    ...verdicts.map(({ id, code }) => `${code ?? 'taken'}: ${String(named.get(id))}`),
    ...leave.map((id) => `leaves: ${String(named.get(id))}`),
  ].toSorted();
}

describe('what is taken of a source', () => {
  test('the newest version, for each architecture', () => {
    const all = ['hello 1 source', 'hello 2 source', 'hello 2 amd64', 'hello 1 amd64', 'hello 1 i386'].map(
      (each) => offered(each),
    );
    expect(outcome(1, all)).toEqual([
      ...['taken: hello 1 i386', 'taken: hello 2 amd64', 'taken: hello 2 source'],
      ...['version-older: hello 1 amd64', 'version-older: hello 1 source'],
    ]);
  });

  test('as many versions as the queue keeps', () => {
    const all = ['1', '2', '10', '2~rc1'].map((version) => offered(`hello ${version} amd64`));
    expect(outcome(2, all)).toEqual([
      ...[
        'taken: hello 10 amd64',
        'taken: hello 2 amd64',
        'version-older: hello 1 amd64',
        'version-older: hello 2~rc1 amd64',
      ],
    ]);
  });

  test('of a version the newest build', () => {
    const all = [offered('hello 1+b2 amd64', { sourceVersion: '1' }), offered('hello 1 amd64')];
    expect(outcome(3, all)).toEqual(['taken: hello 1+b2 amd64', 'version-older: hello 1 amd64']);
  });

  test('one of two that are the same', () => {
    expect(outcome(1, [offered('hello 1 amd64'), offered('hello 1 amd64')])).toEqual([
      ...['package-twice: hello 1 amd64', 'taken: hello 1 amd64'],
    ]);
  });

  test('nothing for what the product has not', () => {
    const all = [offered('hello 1 mips'), offered('hello 1 amd64', { component: 'contrib' })];
    expect(outcome(1, all)).toEqual([
      'architecture-unknown: hello 1 mips',
      'component-unknown: hello 1 amd64',
    ]);
  });
});

describe('what the queue holds already', () => {
  test('stays when it is newer, and leaves for what is newer', () => {
    expect(outcome(1, [held('hello 2 amd64'), offered('hello 1 amd64')])).toEqual([
      'version-older: hello 1 amd64',
    ]);
    expect(outcome(1, [held('hello 1 amd64'), offered('hello 2 amd64')])).toEqual([
      ...['leaves: hello 1 amd64', 'taken: hello 2 amd64'],
    ]);
    expect(outcome(2, [held('hello 1 amd64'), offered('hello 2 amd64')])).toEqual(['taken: hello 2 amd64']);
    const newer = [offered('hello 2 amd64'), offered('hello 3 amd64')];
    expect(outcome(2, [held('hello 1 amd64'), ...newer])).toEqual([
      ...['taken: hello 2 amd64', 'taken: hello 3 amd64'], // retention lets go of the old one, later
    ]);
  });

  test('and is the same does not leave: the content decides later', () => {
    expect(outcome(1, [held('hello 1 amd64'), offered('hello 1 amd64')])).toEqual(['taken: hello 1 amd64']);
  });
});

test('every offer has one verdict, and never more versions stay than are kept', () => {
  const version = fc.constantFrom('1', '1~rc1', '1+b1', '2', '10', '1:0', '2-1');
  const contender = fc
    .record({
      version,
      sourceVersion: version,
      isHeld: fc.boolean(),
      architecture: fc.constantFrom('amd64', 'i386', 'all', 'mips'),
    })
    .map(({ architecture, ...more }) =>
      offered(`hello ${more.version} ${architecture}`, { ...more, source: 'hello' }),
    );
  fc.assert(
    fc.property(
      fc.array(contender, { maxLength: 12 }),
      fc.integer({ min: 1, max: 3 }),
      (contenders, versions) => {
        const { verdicts, leave } = decide(scope(versions), contenders);
        const offers = contenders.filter((each) => !each.isHeld).map((each) => each.id);
        expect(verdicts.map((each) => each.id).toSorted()).toEqual(offers.toSorted());
        const taken = new Set(verdicts.filter((each) => each.code === null).map((each) => each.id));
        const gone = new Set(leave);
        const after = contenders.filter((each) => (each.isHeld ? !gone.has(each.id) : taken.has(each.id)));
        for (const own of Map.groupBy(after, (each) => each.architecture).values()) {
          const known = new Set(own.map((each) => each.sourceVersion));
          const before = new Set(own.filter((each) => each.isHeld).map((each) => each.sourceVersion));
          expect(known.size).toBeLessThanOrEqual(versions === 1 ? 1 : versions + before.size);
          for (const same of Map.groupBy(own, (each) => each.sourceVersion).values()) {
            const builds = same.map((each) => each.version);
            expect(builds.every((each) => compareVersions(each, builds[0] ?? '') === 0)).toBe(true);
          }
        }
      },
    ),
  );
});
