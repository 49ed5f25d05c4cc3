import fc from 'fast-check';
import { expect, test } from 'vitest';
import { html, join } from './markup.ts';

test('text is escaped, markup is kept, nothing is nothing', () => {
  const name = `<script>alert("x")</script>`;
  const inner = html`<b>${name}</b>`;
  expect(html`<p title="${name}">${inner}${null}${undefined}${false}${0}</p>`.toString()).toBe(
    '<p title="&#60;script&#62;alert(&#34;x&#34;)&#60;/script&#62;"><b>&#60;script&#62;alert(&#34;x&#34;)&#60;/script&#62;</b>0</p>',
  );
});

test('a ! before a value does not switch escaping off', () => {
  expect(html`Hello!${'<i>'}`.toString()).toBe('Hello!&#60;i&#62;');
});

test('no text leaves its place, alone or in a list', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(html`<p title="${text}">${[text, [text]]}</p>`.toString()).toMatch(
        /^<p title="[^"<>]*">[^<>]*<\/p>$/u,
      );
    }),
  );
});

test('join puts the separator between', () => {
  expect(html`${join(['a', html`<b></b>`, 'c'], ', ')}`.toString()).toBe('a, <b></b>, c');
});
