/** What a BMC answers. */
export interface RedfishAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

/** 200 with a body. */
export function ok(body: object, headers: Record<string, string> = {}): RedfishAnswer {
  return { status: 200, body, headers };
}

/** 404, as BMCs answer for an unknown URI. */
export function notFound(path: string): RedfishAnswer {
  return failure(404, 'Base.1.8.ResourceMissingAtURI', `There is nothing at ${path}.`);
}

/** An error with its `@Message.ExtendedInfo` (DSP0266 §"Error responses"). */
export function failure(
  status: number,
  id: string,
  message: string,
  headers: Record<string, string> = {},
): RedfishAnswer {
  const info = [{ MessageId: id, Message: message }];
  const body = { error: { code: 'Base.1.8.GeneralError', message, '@Message.ExtendedInfo': info } };
  return { status, body, headers };
}
