import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { WorkflowFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { hostAvailable, inspectionReported, progress } from '../../workflows/messages.ts';
import { bmcDown, claims, HARDWARE, inMs, runOf } from './fakes.ts';
import { Stage } from './stage.ts';

jest.setTimeout(60_000);

let stage: Stage;
beforeAll(async () => void (stage = await Stage.open()));
afterAll(() => stage.close());

const WELL = [
  'claimHost',
  'prepareBoot',
  'acquirePowerOnPermit',
  'bootInspector',
  'takeReport',
  'openProvisioning',
  'settleHandover',
];

async function failureOf(run: { result(): Promise<unknown> }): Promise<ApplicationFailure> {
  const error: unknown = await run.result().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(WorkflowFailedError);
  return (error as WorkflowFailedError).cause as ApplicationFailure;
}

describe('a provisioning that goes well', () => {
  test('does its steps in order and nothing else', async () => {
    const fakes = stage.prepare();
    const run = await stage.start('provision');
    await expect(run.result()).resolves.toContain(`was provisioned on host host-${fakes.machine.name}-1`);
    expect(fakes.names()).toEqual(WELL);
  });
});
