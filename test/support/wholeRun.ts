import { Client, Connection } from '@temporalio/client';
import { WITHOUT_KEYS } from '../../codec/history.ts';
import { testControlPlane, type TestControlPlane } from './controlPlane.ts';
import { files, histories, leaksIn, logs, type Place } from './secretScan.ts';
import { testimony } from './witness.ts';

/**
 * Looks for every secret that the tests of this run have made so far in all that people can read of it, whichever test
 * made it. Throws when no test has run yet.
 */
export async function leaksOfTheRun(): Promise<{ secrets: number; worlds: number; places: number; leaks: string[] }> {
  const plane = testControlPlane();
  const { secrets, seenFiles } = testimony(plane.dataFolder);
  const connection = await Connection.connect({ address: plane.temporalAddress });
  try {
    const { leaks, places, bytes } = await leaksIn(secrets, everything(plane, connection, seenFiles));
    process.stderr.write(`looked for ${secrets.size} secrets in ${places} places, ${bytes} bytes\n`);
    return { secrets: secrets.size, worlds: seenFiles.length, places, leaks };
  } finally {
    await connection.close();
  }
}

async function* everything(
  plane: TestControlPlane,
  connection: Connection,
  seen: readonly string[],
): AsyncGenerator<Place> {
  yield* logs(plane.dataFolder);
  yield* files('the audit log', [plane.auditLog]);
  yield* files('what was seen in', seen);
  // Each world has a namespace of its own; that of Temporal itself holds nothing of ours.
  const { namespaces } = await connection.workflowService.listNamespaces({ pageSize: 1000 });
  for (const { namespaceInfo } of namespaces) {
    const namespace = namespaceInfo?.name ?? '';
    if (namespace !== 'temporal-system')
      yield* histories(new Client({ connection, namespace, dataConverter: { payloadCodecs: [WITHOUT_KEYS] } }));
  }
}
