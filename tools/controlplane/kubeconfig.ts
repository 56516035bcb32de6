import { stringify } from 'yaml';

/** The text of a kubeconfig with one context. */
export function kubeconfig(options: { server: string; ca: Buffer; token: string; user: string }): string {
  const name = 'beskar7';
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name, cluster: { server: options.server, 'certificate-authority-data': options.ca.toString('base64') } },
    ],
    users: [{ name: options.user, user: { token: options.token } }],
    contexts: [{ name, context: { cluster: name, user: options.user } }],
    'current-context': name,
  });
}
