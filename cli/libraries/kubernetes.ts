// What the plugin uses of the library, by name: a bundler leaves out the rest, and a dynamic import of this file loads
// it only when needed.
export { KubeConfig } from '@kubernetes/client-node';
