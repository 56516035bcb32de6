// Loaded by a dynamic import of this file: a bundler finds the names of CommonJS packages in a static import only.
export { Client, Connection } from '@temporalio/client';
export { loadClientConnectConfig } from '@temporalio/envconfig';
