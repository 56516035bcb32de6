/** What can go wrong on command. All that is set holds at once. */
export interface Faults {
  /** The BMC refuses connections. */
  refuse?: boolean;
  /** The BMC takes requests and never answers. */
  hang?: boolean;
  /** Every request is answered 401. */
  unauthorized?: boolean;
  /** Every request is answered 503, with Retry-After in seconds. */
  unavailable?: number;
  /** More latency, in ms. */
  slowMs?: number;
  /** Power commands are accepted and not done. */
  powerStuck?: boolean;
  /** Probability that a power command is accepted and silently not done. */
  powerLost?: number;
  /** Switching off takes so long, in ms. */
  powerOffMs?: number;
  /** A change is made, but its answer never comes. */
  hangAfterAccept?: boolean;
  /** All sessions are forgotten now. */
  sessionLoss?: boolean;
  /** The password is changed now. */
  password?: string;
  /** The inspection image never reports. */
  neverReports?: boolean;
  /** The report is not one. */
  wrongReport?: boolean;
  /** The hardware is tiny. */
  smallHardware?: boolean;
  /** The inspection image gives up after validation, with this reason. */
  provisionFails?: string;
  /** Callbacks are not sent (probability). */
  dropCallbacks?: number;
  /** Callbacks arrive, and their answers do not (probability). */
  loseAnswers?: number;
  /** Callbacks are sent twice. */
  duplicateCallbacks?: boolean;
  /** Callbacks are late, in ms. */
  delayCallbacksMs?: number;
  /** Ends by itself after so many ms. */
  forMs?: number;
}

/** The words that a fault may have, for checks of control requests. */
export const FAULT_NAMES: readonly (keyof Faults)[] = [
  'refuse',
  'hang',
  'unauthorized',
  'unavailable',
  'slowMs',
  'powerStuck',
  'powerLost',
  'powerOffMs',
  'hangAfterAccept',
  'sessionLoss',
  'password',
  'neverReports',
  'wrongReport',
  'smallHardware',
  'provisionFails',
  'dropCallbacks',
  'loseAnswers',
  'duplicateCallbacks',
  'delayCallbacksMs',
  'forMs',
];
