import { expect, test } from 'vitest';
import { installHowto } from './install.ts';
import { slugOf } from './snippet.ts';
import { uploadHowto } from './upload.ts';

const upload = {
  site: 'My Builds',
  host: 'drop.example.org',
  port: 2222,
  product: 'bookworm',
  login: 'maker',
};
const textOf = (snippets: { id: string; text: string }[], id: string): string =>
  snippets.find((snippet) => snippet.id === id)?.text ?? '';

test('dput gets its port by an ssh option, since it knows no other way', () => {
  expect(textOf(uploadHowto(upload), 'dput')).toBe(
    [
      '[my-builds-bookworm]',
      'method = scp',
      'fqdn = drop.example.org',
      'login = maker',
      'incoming = /bookworm/',
      'ssh_config_options = Port 2222',
    ].join('\n'),
  );
});

test('the dput-ng profile is JSON', () => {
  const snippet = uploadHowto(upload).find(({ id }) => id === 'dput-ng');
  expect(snippet?.file).toBe('~/.dput.d/profiles/my-builds-bookworm.json');
  expect(JSON.parse(snippet?.text ?? '')).toMatchObject({
    method: 'sftp',
    port: 2222,
    incoming: '/bookworm/',
  });
});

test('a login that is not known is a placeholder, an IPv6 address is bracketed where colons split', () => {
  const { login: _, ...anonymous } = upload;
  const snippets = uploadHowto({ ...anonymous, host: '2001:db8::1' });
  expect(textOf(snippets, 'scp')).toMatch(/ YOUR-LOGIN@\[2001:db8::1\]:\/bookworm\/$/);
  expect(textOf(snippets, 'dput')).toContain('fqdn = 2001:db8::1');
  expect(textOf(snippets, 'scp').indexOf('.dsc')).toBeLessThan(textOf(snippets, 'scp').indexOf('.changes'));
});

test('apt gets the key by Signed-By in both forms, and never by apt-key', () => {
  const snippets = installHowto({
    ...{ site: 'My Builds', locations: ['https://repo.example.org/live/'] },
    ...{ queue: 'devel', product: 'bookworm', components: ['main', 'extra'], notAutomatic: true },
  });
  expect(textOf(snippets, 'deb822').split('\n')).toEqual([
    'Types: deb deb-src',
    'URIs: https://repo.example.org/live/devel',
    'Suites: bookworm',
    'Components: main extra',
    'Signed-By: /usr/share/keyrings/my-builds-archive-keyring.gpg',
  ]);
  expect(textOf(snippets, 'one-line')).toBe(
    'deb [signed-by=/usr/share/keyrings/my-builds-archive-keyring.gpg] https://repo.example.org/live/devel bookworm main extra',
  );
  expect(textOf(snippets, 'key')).toContain('https://repo.example.org/live/archive-key.gpg');
  expect(textOf(snippets, 'install')).toContain('apt install my-builds-archive-keyring\n');
  expect(JSON.stringify(snippets)).not.toContain('apt-key');
});

test('several places make a list in their order, which the source names; one place makes none', () => {
  const options = {
    ...{ site: 'My Builds', queue: 'devel', product: 'bookworm', components: ['main'] },
    locations: ['https://a.example.org/', 'https://b.example.org/live'] as const,
  };
  const snippets = installHowto({ ...options, locations: [...options.locations] });
  expect(textOf(snippets, 'mirror-list')).toBe(
    'https://a.example.org/devel\tpriority:1\nhttps://b.example.org/live/devel\tpriority:2',
  );
  const file = snippets.find(({ id }) => id === 'mirror-list')?.file;
  expect(textOf(snippets, 'deb822-mirrors')).toContain(`URIs: mirror+file:${file ?? ''}\n`);
  expect(textOf(snippets, 'key')).toContain('https://a.example.org/archive-key.gpg');
  const single = installHowto({ ...options, locations: [options.locations[0]] });
  expect(single.map(({ id }) => id)).toEqual(['key', 'deb822', 'one-line', 'install']);
});

test.each([
  ['Autobuilder', 'autobuilder'],
  [' -Ünï 2_', 'n-2'],
  ['---', 'autobuilder'],
])('the name %s becomes %s in file names', (site, slug) => expect(slugOf(site)).toBe(slug));
