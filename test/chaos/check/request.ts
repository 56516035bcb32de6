/** What a mutating request asks of a BMC. */
export type Asked = 'on' | 'off' | 'restart' | 'pxe' | 'boot' | 'other';

export interface BmcRequest {
  readonly at: number;
  readonly asked: Asked;
  /** The claim that it names, `retire`, or undefined. */
  readonly sender: string | undefined;
  readonly text: string;
}

/** Reads a request as a BMC got it: `POST …/ComputerSystem.Reset` or a PATCH of the boot override. */
export function bmcRequest(entry: {
  at: number;
  method: string;
  path: string;
  body: string;
  userAgent: string;
}): BmcRequest {
  return {
    at: entry.at,
    asked: askedBy(entry.path, entry.body),
    sender: /^beskar7 \(([^)]+)\)/.exec(entry.userAgent)?.[1],
    text: `${entry.method} ${entry.path} ${entry.body}`,
  };
}

function askedBy(path: string, body: string): Asked {
  if (path.endsWith('ComputerSystem.Reset')) {
    const type = /"ResetType"\s*:\s*"(\w+)"/.exec(body)?.[1] ?? '';
    if (type === 'On' || type === 'ForceOn') return 'on';
    if (type === 'ForceOff' || type === 'GracefulShutdown') return 'off';
    return 'restart';
  }
  // Disabled with a target of Pxe takes an override back, at a BMC that refuses None.
  if (/"Pxe"/i.test(body) && !/"BootSourceOverrideEnabled"\s*:\s*"Disabled"/.test(body)) return 'pxe';
  return body.includes('BootSourceOverride') ? 'boot' : 'other';
}
