/** How many hosts one provisioning may try. */
export const MAX_ATTEMPTS = 10;

/** Length of what is kept of a failed attempt, in characters: all of them fit into a condition's message. */
export const MAX_ATTEMPT_TEXT = 400;
