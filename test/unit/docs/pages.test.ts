import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import * as names from '../../../crds/names.ts';
import { CONDITIONS, HOST_REASONS, MACHINE_REASONS } from '../../../crds/reasons.ts';

const ROOT = path.join(__dirname, '..', '..', '..');
const read = (file: string) => readFileSync(path.join(ROOT, file), 'utf8');
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
];

/** The anchors of a page, as GitHub makes them out of headings. */
function anchors(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^a-z0-9 _-]/g, '')
      .trim()
      .replaceAll(' ', '-'),
  );
}

/** Targets of links; code (`[a-z]*`) is no link. */
function links(page: string): string[] {
  const text = read(page)
    .replace(/```[\s\S]*?```/g, '')
    .replace(/`[^`\n]*`/g, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((link) => !link.startsWith('http'));
}

describe('pages', () => {
  test.each(pages)('%s: each link leads somewhere', (page) => {
    for (const link of links(page)) {
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? page : path.normalize(path.join(path.dirname(page), file));
      expect({ link, exists: existsSync(path.join(ROOT, target)) }).toEqual({ link, exists: true });
      if (anchor !== undefined) expect(anchors(target)).toContain(anchor);
    }
  });

  test('docs/README.md leads to each page of docs/', () => {
    const index = read('docs/README.md');
    for (const file of readdirSync(path.join(ROOT, 'docs')).filter(
      (name) => name.endsWith('.md') && name !== 'README.md',
    )) {
      expect(index).toContain(`(${file})`);
    }
  });

  test('troubleshooting.md has each reason of a condition', () => {
    const text = read('docs/troubleshooting.md');
    const missing = [...Object.values(MACHINE_REASONS), ...Object.values(HOST_REASONS)].filter(
      (reason) => !text.includes(`\`${reason}\``),
    );
    expect(missing).toEqual([]);
    expect(text).toContain(`\`${CONDITIONS.deletionBlocked}=True\``);
  });

  test('operating.md has each annotation and finalizer that people meet', () => {
    const text = read('docs/operating.md');
    const met = Object.entries(names)
      .filter(([name]) => /^(ANNOTATION|FINALIZER)_/.test(name) && !/MANAGED_BY|DELETE_FOR_MOVE/.test(name))
      .map(([, value]) => value);
    expect(met.filter((value) => !text.includes(`\`${value}\``))).toEqual([]);
  });

  test('README and security.md say that disks are not wiped', () => {
    for (const page of ['README.md', 'docs/security.md', 'docs/uninstall.md']) {
      expect(read(page)).toMatch(/disks[^.]* not wiped/);
    }
  });
});
