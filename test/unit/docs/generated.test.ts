import { describe, expect, test } from '@jest/globals';
import { KINDS } from '../../../crds/kinds.ts';
import { generatedDocs, staleDocs } from '../../../docs/generate.ts';
import { command } from '../../../workers/config.ts';

describe('generated pages', () => {
  test('are what the code says (fix it with: npm run generate)', async () => {
    expect(await staleDocs()).toEqual([]);
  });

  test('name every flag with its environment variable, and every kind', () => {
    const text = generatedDocs()
      .map(({ content }) => content)
      .join('\n');
    for (const option of command().options) {
      expect(text).toContain(`\`${option.flags}\``);
      expect(text).toContain(`\`${option.envVar ?? 'no environment variable'}\``);
    }
    for (const { kind } of KINDS) expect(text).toContain(`## ${kind}\n`);
  });

  test('every table row has as many cells as its head', () => {
    for (const { path, content } of generatedDocs()) {
      let head = 0;
      for (const row of content.split('\n')) {
        const cells = row.startsWith('|') ? row.replaceAll('\\|', '').split('|').length - 2 : 0;
        if (cells > 0 && head > 0) expect(`${path}: ${cells} cells in ${row}`).toBe(`${path}: ${head} cells in ${row}`);
        head = cells;
      }
    }
  });
});
