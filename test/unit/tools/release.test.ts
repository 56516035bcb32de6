import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { checkHistories, HISTORIES } from '../../../tools/release/histories.ts';
import { currentVersion, writeRelease } from '../../../tools/release/index.ts';

const histories = mkdtempSync(path.join(os.tmpdir(), 'beskar7-histories-'));
afterAll(() => rmSync(histories, { recursive: true }));

/** What the release of a version says; nothing is written before it is refused. */
async function refusal(version: string): Promise<string> {
  const folder = path.join(histories, 'unmade');
  const made = writeRelease({ helm: 'not asked for', version, folder, histories });
  const message = await made.then(
    () => 'made',
    (error: Error) => error.message,
  );
  expect(existsSync(folder)).toBe(false);
  return message;
}

/** Files as the recorder names them, one of each kind. */
function record(version: string, kinds: readonly string[]): void {
  mkdirSync(path.join(histories, version));
  for (const kind of kinds) writeFileSync(path.join(histories, version, `${kind}_ns_name-completed-0000.json`), '{}');
}

test('a version without recorded histories is not released: one line says what, why, and what to do', async () => {
  const message = await refusal('v0.1.8');
  const folder = path.join(histories, '0.1.8');
  expect(message).toContain(
    `${folder} has no recorded histories of provision, deprovision, enroll, release, retire, monitor`,
  );
  expect(message).toMatch(
    /^beskar7: .* no test would show whether code after 0\.1\.8 .*: record them with npx node test\/replay\/record\/main\.ts$/,
  );
});

test('nor is one whose histories lack a kind of run', async () => {
  record('0.1.9', ['provision', 'deprovision', 'enroll', 'retire', 'monitor']);
  expect(await refusal('v0.1.9')).toContain(' has no recorded histories of release, so ');
});

test('this version has them all', async () => {
  await expect(checkHistories((await currentVersion()).slice(1), HISTORIES)).resolves.toBeUndefined();
});
