import { expect, test } from 'vitest';
import { hostNameOf, parseHostAddress } from './address.ts';

test.each([
  ['builder@one.example.org', { username: 'builder', address: 'one.example.org', port: 22 }, 'one'],
  ['b_1@192.0.2.7:2222', { username: 'b_1', address: '192.0.2.7', port: 2222 }, '192.0.2.7'],
  ['b@[2001:db8::1]:22', { username: 'b', address: '2001:db8::1', port: 22 }, '2001-db8--1'],
  ['b@Big_Host', { username: 'b', address: 'Big_Host', port: 22 }, 'big-host'],
])('%s is an address of a host', (text, address, name) => {
  expect(parseHostAddress(text)).toEqual(address);
  expect(hostNameOf(address)).toBe(name);
});

test.each([
  'one',
  '@one',
  'b@',
  'b@one:0',
  'b@one:70000',
  'b@one:x',
  'b@one two',
  '-oProxyCommand=x@one',
  'b@2001:db8::1',
])('%s is none', (text) => {
  expect(() => parseHostAddress(text)).toThrow('is no address of a host');
});
