import { expect, test } from 'vitest';
import type { AptSource } from '../../../shared/protocol/job.ts';
import { deb822Sources, oneLineSources, preferencesFor, resolveSources } from './apt-sources.ts';

const base: AptSource = {
  uris: ['http://archive.example.org/debian'],
  suites: ['bookworm', 'bookworm-updates'],
  components: ['main'],
  key: 'binary',
};
const devel: AptSource = {
  uris: ['http://packages.example.org:8081/devel'],
  suites: ['./'],
  components: [],
  key: '-----BEGIN PGP PUBLIC KEY BLOCK-----\n',
};

test('one stanza for each source, with its key by path', async () => {
  const sources = await resolveSources([base, devel]);
  expect(sources.map(({ keyEnding }) => keyEnding)).toEqual(['.gpg', '.asc']);
  expect(deb822Sources(sources, (index) => `/keys/${index}`)).toBe(`Types: deb
URIs: http://archive.example.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /keys/0

Types: deb
URIs: http://packages.example.org:8081/devel
Suites: ./
Signed-By: /keys/1
`);
});

test('one line for each URI and suite', async () => {
  const sources = await resolveSources([base, devel]);
  expect(oneLineSources(sources, (index) => `/keys/${index}`)).toEqual([
    'deb [signed-by=/keys/0] http://archive.example.org/debian bookworm main',
    'deb [signed-by=/keys/0] http://archive.example.org/debian bookworm-updates main',
    'deb [signed-by=/keys/1] http://packages.example.org:8081/devel ./',
  ]);
});

test('the devel queue counts as much as the base, unless one host serves both', async () => {
  const [resolvedBase, resolvedDevel] = await resolveSources([base, devel]);
  expect(preferencesFor([resolvedDevel!], [resolvedBase!])).toBe(
    'Package: *\nPin: origin "packages.example.org"\nPin-Priority: 500\n',
  );
  expect(preferencesFor([resolvedBase!], [resolvedBase!])).toBe('');
});

test('a pin goes before, by release or by host, and never by the host of the base', async () => {
  const pin = { priority: 990, packages: ['libfoo*', 'bar'] };
  const [ours, own, far] = await resolveSources([
    base,
    devel,
    { ...devel, uris: ['http://far.example.org/'], pin },
  ]);
  expect(preferencesFor([own!, far!], [ours!])).toBe(
    'Package: libfoo* bar\nPin: origin "far.example.org"\nPin-Priority: 990\n\n' +
      'Package: *\nPin: origin "packages.example.org"\nPin-Priority: 500\n',
  );
  const [near] = await resolveSources([{ ...base, pin: { ...pin, release: 'o=Example,n=ports' } }]);
  expect(preferencesFor([near!], [ours!])).toBe(
    'Package: libfoo* bar\nPin: release o=Example,n=ports\nPin-Priority: 990\n',
  );
  const [unclear] = await resolveSources([{ ...base, pin }]);
  expect(() => preferencesFor([unclear!], [ours!])).toThrow('needs a release');
});

test.each([
  ['a line feed', { ...base, suites: ['bookworm\nTrusted: yes'] }],
  ['options', { ...base, components: ['[trusted=yes]'] }],
  ['no key', { ...base, key: undefined }],
  ['two keys', { ...base, keyring: '/usr/share/keyrings/a.gpg' }],
])('a source with %s is refused', async (_, source) => {
  await expect(resolveSources([source])).rejects.toMatchObject({ code: 'job-usage' });
});
