import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { proposedConfiguration } from './proposal.ts';

const present = {
  name: 'Autobuilder',
  queue: { name: 'stable', notAutomatic: false },
  product: { name: 'bookworm', components: ['main'], architectures: ['amd64'] },
};

test('nothing is proposed where nothing differs', () => {
  const facts = {
    origin: 'Autobuilder',
    label: 'Autobuilder stable',
    suite: 'bookworm',
    codename: 'bookworm',
  };
  expect(
    proposedConfiguration({ ...facts, components: ['main'], architectures: ['amd64'] }, present),
  ).toBeNull();
  expect(proposedConfiguration({ components: [], architectures: [] }, present)).toBeNull();
});

test('what has a setting is YAML, the rest is said in comments', () => {
  const facts = {
    origin: 'Ours: all',
    suite: 'stable',
    components: ['main', 'contrib'],
    architectures: ['i386'],
  };
  const text = proposedConfiguration({ ...facts, notAutomatic: true }, present) ?? '';
  expect(parse(text)).toEqual({
    name: 'Ours: all',
    products: { bookworm: { components: ['main', 'contrib'], architectures: ['amd64', 'i386'] } },
    queues: { stable: { notAutomatic: true } },
  });
  expect(text).toContain("# Suite was 'stable' and becomes 'bookworm'");
});
