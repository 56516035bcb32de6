import { ApplicationFailure, defaultPayloadConverter, type Headers } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import type { FailureType } from '../activities/failures.ts';
import { INSTALLATION_HEADER } from '../contracts/names.ts';

/**
 * Lets an activity start only for a run that this installation has started (docs/decisions/0019). A task of another
 * installation is given back, so that one of its own workers takes it; where the Temporal namespace is ours by its data
 * (`isOwner`), the other is gone, and its run ends.
 */
export function installationGuard(installation: string, isOwner: () => boolean): ActivityInterceptorsFactory {
  return () => ({
    inbound: {
      execute: (input, next) => {
        const sender = senderOf(input.headers);
        if (sender === installation) return next(input);
        throw refused(sender, installation, isOwner());
      },
    },
  });
}

function senderOf(headers: Headers): string | undefined {
  const payload = headers[INSTALLATION_HEADER];
  try {
    const value: unknown = payload && defaultPayloadConverter.fromPayload(payload);
    return typeof value === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
}

function refused(sender: string | undefined, installation: string, isOwner: boolean): ApplicationFailure {
  const whose = sender === undefined ? 'a run that names no installation' : `a run of the installation ${sender}`;
  const then = isOwner
    ? 'This Temporal namespace belongs to this installation: the run ends, and where its object is here it is started again.'
    : 'Two installations share this Temporal namespace: give each its own with --temporal-namespace.';
  return ApplicationFailure.create({
    type: 'OtherInstallation' satisfies FailureType,
    nonRetryable: isOwner,
    message: `${whose} is not worked on by a worker of ${installation}, nothing was done. ${then}`,
  });
}
