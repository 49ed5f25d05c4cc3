import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { homeFolders } from '../../../shared/config/home.ts';
import { liveTargets } from './config.ts';
import { locationText, parseLocation } from './location.ts';
import { requiredTargets, targetsOf } from './targets.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'autobuilder-targets-'));
const secret = path.join(folder, 'secret');
writeFileSync(secret, 'x');
chmodSync(secret, 0o600);
afterAll(() => rmSync(folder, { recursive: true }));

const common = { queues: [{ name: 'devel' }, { name: 'stable' }] } as never;
const home = homeFolders('/srv/autobuilder');

describe('locations', () => {
  test.each([
    ['ssh://mirror@host.example.org/srv/live', { kind: 'ssh', user: 'mirror', port: 22, path: '/srv/live' }],
    ['ssh://host:2222/srv/live/', { kind: 'ssh', user: null, host: 'host', port: 2222, path: '/srv/live' }],
    ['ssh://[2001:db8::1]/live', { kind: 'ssh', host: '[2001:db8::1]', path: '/live' }],
    [
      'rsync://m@host.example.org:873/module/a/',
      { kind: 'rsync', url: 'rsync://m@host.example.org:873/module/a' },
    ],
    ['rclone:store:bucket/live', { kind: 'rclone', remote: 'store', path: 'bucket/live' }],
    ['rclone:store:', { kind: 'rclone', remote: 'store', path: '' }],
  ])('%s', (url, expected) => expect(parseLocation(url)).toMatchObject(expected));

  test.each([
    'ssh://host',
    'ssh://host/a b',
    'ssh://host/$(id)',
    'ssh://-oProxyCommand=id/x',
    'ssh://-l@host/x',
    'ssh://host/a/../b',
    'rsync://host',
    'rsync://host/../x',
    'rclone:-x:y',
    'rclone::y',
    'rclone:store:a/../b',
    'http://host/x',
    '/srv/live',
    'host:/srv',
  ])('%s is none', (url) => expect(() => parseLocation(url)).toThrow('is no live target'));

  test('are shown as they are written', () => {
    for (const url of ['ssh://mirror@host/x', 'ssh://host:2222/x', 'rsync://m@host/module', 'rclone:store:x'])
      expect(locationText(parseLocation(url))).toBe(url);
  });
});

describe('targets', () => {
  test('without any there is live, linked and required', () => {
    expect(targetsOf({ home, common, config: {} })).toMatchObject([
      {
        name: 'live',
        text: '/srv/autobuilder/live',
        links: true,
        required: true,
        snapshots: true,
        queues: ['devel', 'stable'],
      },
    ]);
  });

  test('have defaults by their kind, and names from their place', () => {
    const config = {
      targets: liveTargets.parse([
        { path: '/srv/Live Files/' },
        { path: '/srv/copy', links: false },
        { url: 'ssh://mirror.example.org/x', queues: ['stable'], publicUrl: 'https://m.example.org/' },
        { url: 'rsync://other.example.org/live' },
        { url: 'rclone:store:x', configFile: secret },
      ]),
    };
    const all = targetsOf({ home, common, config });
    expect(all.map(({ name, required, links, snapshots }) => [name, required, links, snapshots])).toEqual([
      ['live-files', true, true, true],
      ['copy', true, false, false],
      ['mirror.example.org', false, false, true],
      ['other.example.org', false, false, false],
      ['store', false, false, false],
    ]);
    expect(all[2]).toMatchObject({
      queues: ['stable'],
      publicUrl: 'https://m.example.org',
      minFreeBytes: null,
    });
    expect(all[0]?.minFreeBytes).toBeGreaterThan(0);
  });

  test('that live needs are the required ones; of a queue without one, its first', () => {
    const config = {
      targets: liveTargets.parse([
        { url: 'ssh://a/x', queues: ['stable'] },
        { url: 'ssh://b/x' },
        { path: '/srv/live', queues: ['devel'] },
      ]),
    };
    const all = targetsOf({ home, common, config });
    expect(requiredTargets(all, 'devel').map(({ name }) => name)).toEqual(['live']);
    expect(requiredTargets(all, 'stable').map(({ name }) => name)).toEqual(['a']);
  });

  test.each([
    [{ path: '/x', url: 'ssh://a/x' }, 'either path or url'],
    [{}, 'either path or url'],
    [{ path: 'x' }, 'absolute'],
    [{ url: 'ftp://a/x' }, 'ssh://user@host/path'],
    [{ path: '/x', identityFile: secret }, 'is for ssh:// only'],
    [{ url: 'ssh://a/x', passwordFile: secret }, 'is for rsync:// only'],
    [{ url: 'rsync://a/x', minFreeBytes: 1 }, 'is for a path and ssh:// and rclone: only'],
    [{ path: '/x', bandwidthKiB: 1 }, 'links: false'],
    [{ path: '/x', hooks: [{}] }, 'either command or url'],
    [{ path: '/x', hooks: [{ command: ['x'], secretFile: secret }] }, 'is for a hook with a url'],
    [{ url: 'ssh://a/x', identityFile: `${folder}/none` }, 'cannot be read'],
    [{ path: '/x', publicUrl: 'ftp://a/x' }, 'publicUrl'],
  ])('%j is refused', (target, words) => {
    const { error } = liveTargets.safeParse([target]);
    expect(JSON.stringify(error?.issues)).toContain(words);
  });

  test('that name a queue which is not there are refused', () => {
    const config = { targets: liveTargets.parse([{ path: '/x', queues: ['stabel'] }]) };
    expect(() => targetsOf({ home, common, config })).toThrow("takes queue 'stabel'");
  });

  test('of one name are refused', () => {
    const { error } = liveTargets.safeParse([{ path: '/a/live' }, { path: '/b/live' }]);
    expect(error?.issues[0]?.message).toContain("called 'live' too");
  });
});
